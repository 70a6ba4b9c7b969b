"""A model behind OpenAI's interface: our own server, and one that misbehaves."""

import asyncio
import base64
import contextlib
import csv
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import soundfile
import spoken
import tiny
import told
import uvicorn
from PIL import Image
from servers import serving, until
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import mmbm
from mmbm import llm as remote
from mmbm.errors import BadCell, MmbmError
from mmbm.llm import ChatClient, Question, messages

COLOURS = Question("Which colour?", "category", ("red", "green", "blue"))


@pytest.fixture(scope="module")
def one(table, tmp_path_factory):
    """One category from a picture, a sound and a text: all that a message can hold."""
    config = tiny.config(table, epochs=4, lr=0.01)
    config["inputs"] = {name: config["inputs"][name] for name in ("photo", "speech", "remark")}
    return mmbm.train(config, run=tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(scope="module")
def served(one, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), "--model", f"one={one.path}") as server:
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")


def run(*arguments, status=0, cwd=None, answer=None, env=None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mmbm.cli", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **(env or {})}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=cwd, env=env, input=answer
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def read(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ── a server that misbehaves ─────────────────────────────────────────────────────────────────────


class Odd:
    """Answers by the text of a row, in OpenAI's shape or not; counts what it is asked."""

    def __init__(self):
        self.asked = Counter()
        self.at_once = self.most = 0
        self.told: list[dict] = []
        self.broken = False

    async def answer(self, request):
        body = await request.json()
        text = body["messages"][-1]["content"][-1]["text"]
        self.asked[text] += 1
        self.told.append(body)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.02)
        self.at_once -= 1
        if self.broken:
            return error(401, "no such key")
        if text == "busy" and self.asked[text] < 3:
            return error(429 if self.asked[text] == 1 else 503, "later", {"retry-after": "0.1"})
        if text == "large":
            return error(400, "the picture is too large")
        if text == "page":
            return PlainTextResponse("<html>Please log in</html>", media_type="text/html")
        if text == "json":
            return Response("{", media_type="application/json")
        if text == "empty":
            return JSONResponse({"object": "chat.completion", "choices": []})
        if text == "silent":
            return said(None)
        if text == "long":
            return said("red", "length")
        return said({"quoted": ' "Red". ', "unsure": "red or green"}.get(text, text))


def said(content, finish="stop"):
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    return JSONResponse({"object": "chat.completion", "choices": [choice], "usage": usage})


def error(status, message, headers=None):
    return JSONResponse({"error": {"message": message}}, status, headers)


@pytest.fixture
def odd():
    odd = Odd()
    app = Starlette(routes=[Route("/v1/chat/completions", odd.answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        odd.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        until(lambda: server.started)
        yield odd
        server.should_exit = True
        thread.join(10)


def texts(folder: Path, *rows: str) -> Path:
    path = folder / "texts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["said"], *([row] for row in rows)])
    return path


def label(odd, table: Path, *options, question=COLOURS, **named):
    """Through the command line's own functions, into OUT beside the table."""
    endpoint = ChatClient("odd", odd.url, cache=table.parent / "kept.sqlite", **named)
    out = table.parent / "out.csv"
    agreed = []
    done = remote.label(
        table,
        "colour",
        question,
        endpoint,
        out,
        lambda cost: not agreed.append(cost),
        show=["said"],
    )
    return done, read(out), agreed[0]


def test_an_answer_that_is_none_is_an_error_in_the_row_and_never_guessed(odd, tmp_path):
    rows = [
        "red",
        "quoted",
        "unsure",
        "purple",
        "large",
        "page",
        "json",
        "empty",
        "silent",
        "long",
        "",
    ]
    done, found, _ = label(odd, texts(tmp_path, *rows, "green"))
    assert [row["colour"] for row in found] == ["red", "red", *[""] * 9, "green"]
    assert [row["colour.error"] for row in found] == [
        "", "",
        "the answer 'red or green' is none of the classes",
        "the answer 'purple' is none of the classes",
        "refused: the picture is too large",
        *["what came back is no chat completion"] * 3,
        "the model refused to answer",
        "the answer was cut off (length)",
        "the row is empty",
        "",
    ]  # fmt: skip
    assert done == {
        "rows": 12, "asked": 12, "labelled": 3, "failed": 9, "tokens_in": 50, "tokens_out": 5,
    }  # fmt: skip
    assert odd.asked[""] == 0


def test_a_busy_endpoint_is_asked_again_as_it_says(odd, tmp_path):
    _, found, _ = label(
        odd, texts(tmp_path, "busy", "red"), question=Question("?", "category", ("busy", "red"))
    )
    assert [row["colour"] for row in found] == ["busy", "red"]
    assert odd.asked["busy"] == 3


def test_no_more_requests_are_under_way_than_asked_for(odd, tmp_path):
    rows = [f"{colour} " * i for colour in COLOURS.classes for i in range(1, 8)]
    label(odd, texts(tmp_path, *rows), concurrency=3)
    assert odd.most == 3
    assert odd.asked.total() == len(rows)


def test_what_was_answered_is_never_asked_again(odd, tmp_path):
    """Not even if the answer was none of the classes; another question is another request."""
    table = texts(tmp_path, "red", "purple", "page", "red")
    *first, cost = label(odd, table, concurrency=1)
    assert (cost.rows, cost.kept) == (4, 0)
    assert odd.asked == {"red": 1, "purple": 1, "page": 1}  # the same row twice is one request
    *second, cost = label(odd, table, concurrency=1)
    assert (cost.rows, cost.kept) == (4, 3)
    assert second == first
    assert odd.asked == {"red": 1, "purple": 1, "page": 2}  # what was no answer is asked again
    label(odd, table, question=COLOURS._replace(ask="Which?"), concurrency=1)
    assert odd.asked["red"] == 2


def test_an_endpoint_that_fails_ends_the_run_and_what_was_answered_is_kept(odd, tmp_path):
    table = texts(tmp_path, "red", "green")
    label(odd, table)
    odd.broken = True
    longer = texts(tmp_path, "red", "green", "blue")
    (tmp_path / "out.csv").unlink()
    with pytest.raises(MmbmError, match=r"401, no such key\. What was answered is kept"):
        label(odd, longer)
    assert not (tmp_path / "out.csv").exists()
    odd.broken = False
    assert [row["colour"] for row in label(odd, longer)[1]] == ["red", "green", "blue"]
    assert odd.asked == {"red": 1, "green": 1, "blue": 2}


@pytest.mark.slow
def test_a_killed_run_goes_on_and_asks_nothing_twice(odd, tmp_path):
    rows = [f"red {i}" for i in range(120)]
    table = texts(tmp_path, *rows)
    command = [
        sys.executable, "-m", "mmbm.cli", "label", table, "--ask", "Which?", "--column", "colour",
        "--classes", "red,green", "--model", "odd", "--base-url", odd.url, "--yes",
        "--show", "said", "--concurrency", "1", "-o", tmp_path / "out.csv",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    until(lambda: odd.asked.total() > 20)
    process.kill()
    process.wait(10)
    time.sleep(0.1)
    assert odd.asked.total() < 120
    assert not (tmp_path / "out.csv").exists()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "120 rows, " in done.stderr
    assert odd.asked.total() <= 121  # one was under way when the run was killed
    assert len(read(tmp_path / "out.csv")) == 120


# ── labelling ────────────────────────────────────────────────────────────────────────────────────


def test_a_bundle_of_ours_teaches_over_the_wire(served, one, table, tmp_path):
    """End to end: pictures, sounds and texts as data URIs, labels as the bundle itself says."""
    out = tmp_path / "labelled.csv"
    done = run(
        "label", table, "--ask", "Which colour?", "--column", "guess", "--classes",
        "red,green,blue", "--model", "one", "--base-url", f"{served.url}/v1", "-o", out, "--yes",
        "--show", "photo", "--show", "speech", "--show", "remark", "--limit", 20, "--json",
        "--price-in", 2, "--price-out", 8, cwd=tmp_path,
    )  # fmt: skip
    assert "96 rows" not in done.stderr
    assert "20 rows, 0 of them answered before" in done.stderr
    assert "20 pictures and" in done.stderr
    assert "at the prices given" in done.stderr
    told = json.loads(done.stdout)
    assert (told["labelled"], told["failed"]) == (20, 0)
    found, expected = read(out), one.predict(table)
    assert [row["guess"] for row in found[:20]] == [row["label"] for row in expected[:20]]
    assert {row["guess"] for row in found[20:]} == {""}
    with table.open(encoding="utf-8") as file:
        original = list(csv.DictReader(file))
    assert [{k: row[k] for k in original[0]} for row in found] == original


def test_only_empty_cells_are_labelled_and_nothing_without_consent(odd, tmp_path):
    table = tmp_path / "part.csv"
    table.write_text("said,colour\nred,blue\ngreen,\n", encoding="utf-8")
    options = [
        "label", table, "--ask", "Which?", "--column", "colour", "--classes", "red,green,blue",
        "--model", "odd", "--base-url", odd.url, "-o", tmp_path / "out.csv", "--show", "said",
    ]  # fmt: skip
    assert "Nothing was asked" in run(*options, status=1, answer="n\n", cwd=tmp_path).stderr
    assert odd.asked.total() == 0
    run(*options, answer="y\n", cwd=tmp_path)
    assert odd.asked == {"green": 1}
    assert [row["colour"] for row in read(tmp_path / "out.csv")] == ["blue", "green"]
    (system, user) = odd.told[0]["messages"]
    assert system["content"].endswith('nothing else: ["red", "green", "blue"]')
    assert user["content"] == [{"type": "text", "text": "green"}]


def test_numbers_and_other_files(odd, tmp_path):
    table = texts(tmp_path, "3", "1,234.5", "many")
    for name in ("out.parquet", "out.jsonl"):
        endpoint = ChatClient("odd", odd.url, cache=tmp_path / "kept.sqlite")
        question = Question.of("How many?", None)
        remote.label(
            table, "count", question, endpoint, tmp_path / name, lambda _: True, show=["said"]
        )
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["count"] for row in rows] == [3.0, 1234.5, None]
    assert rows[2]["count.error"] == "the answer 'many' is 'many', not a number"
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--classes", "red"], "name at least two"),
        (["--classes", "red,green", "-o", "out.xlsx"], ".csv, .jsonl or .parquet"),
        (["--classes", "red,green", "--show", "nothing"], "there is no column 'nothing'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_asked(odd, tmp_path, options, words):
    done = run(
        "label", texts(tmp_path, "red", "blue"), "--ask", "?", "--column", "c", "--model", "odd",
        "--base-url", odd.url, "--yes", "-o", "out.csv", *options, status=1, cwd=tmp_path,
    )  # fmt: skip
    assert words in done.stderr
    assert odd.asked.total() == 0


def test_a_file_that_is_no_cache_is_not_written_over(odd, tmp_path):
    (tmp_path / "kept.sqlite").write_text("something of mine " * 50)
    with pytest.raises(MmbmError, match="can't be used to keep answers"):
        label(odd, texts(tmp_path, "red"))
    assert (tmp_path / "kept.sqlite").read_text().startswith("something of mine")


def test_an_endpoint_that_is_not_there_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(remote.endpoint, "RETRIES", 0)
    with pytest.raises(MmbmError, match=r"http://127.0.0.1:9/v1: Connection error"):
        ChatClient("x", "http://127.0.0.1:9/v1", cache=tmp_path / "k").ask(
            [remote.Request({"model": "x", "messages": []}, remote.Size())], 1
        )


def test_the_key_comes_from_the_environment_alone(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(MmbmError, match="Set OPENAI_API_KEY"):
        ChatClient("x", "http://127.0.0.1:9/v1")


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


def test_a_row_is_a_part_for_each_cell_and_columns_are_named_where_several_are_written():
    kinds = {"remark": "text", "speed": "number", "tags": "labels", "place": "category"}
    row = {"remark": "it looks red", "speed": 3.0, "tags": ["a", "b"], "place": None}
    (system, user), size = messages(COLOURS, row, kinds, None)
    assert (system["role"], user["role"]) == ("system", "user")
    assert [part["text"] for part in user["content"]] == [
        "remark: it looks red", "speed: 3", "tags: a; b",
    ]  # fmt: skip
    assert size.tokens > 10
    (_, alone), _ = messages(COLOURS, row, {"remark": "text"}, None)
    assert alone["content"][0]["text"] == "it looks red"


def test_media_are_sent_as_they_are_or_without_loss():
    wave = np.arange(-800, 800, dtype=np.int16)
    pixels = np.random.default_rng(0).integers(0, 256, (600, 300, 3), dtype=np.uint8)
    for form, kind in (("PNG", "png"), ("BMP", "png"), ("WEBP", "webp")):
        Image.fromarray(pixels).save(file := io.BytesIO(), form, lossless=True)
        (_, user), size = messages(COLOURS, {"p": file.getvalue()}, {"p": "image"}, None)
        url = user["content"][0]["image_url"]["url"]
        assert url.startswith(f"data:image/{kind};base64,")
        sent = base64.b64decode(url.partition(",")[2])
        assert (np.asarray(Image.open(io.BytesIO(sent))) == pixels).all()
        assert (size.pictures, size.of_media) == (1, 85 + 170 * 2)
    for form, kind in (("WAV", "wav"), ("FLAC", "wav")):
        soundfile.write(file := io.BytesIO(), wave, 8000, format=form)
        (_, user), size = messages(COLOURS, {"s": file.getvalue()}, {"s": "audio"}, None)
        part = user["content"][0]["input_audio"]
        sent, rate = soundfile.read(io.BytesIO(base64.b64decode(part["data"])), dtype="int16")
        assert (part["format"], rate, sent.tolist()) == (kind, 8000, wave.tolist())
        assert (size.seconds, size.of_media) == (0.2, 2)


@pytest.mark.parametrize(
    ("kind", "words"), [("image", "is not a picture"), ("audio", "no.* sound")]
)
def test_a_medium_that_cannot_be_read_is_told_of_with_its_column(kind, words):
    with pytest.raises(BadCell, match="m: is not"):
        messages(COLOURS, {"m": b"nonsense"}, {"m": kind}, None)
    with pytest.raises(BadCell, match="m: the file does not exist"):
        messages(COLOURS, {"m": "nowhere.bin"}, {"m": kind}, Path("."))


# ── a baseline ───────────────────────────────────────────────────────────────────────────────────


def test_a_remote_model_is_measured_on_the_same_rows_as_the_bundle(served, one, table, tmp_path):
    """The remote model is the bundle itself: the metrics are the same, the difference is none."""
    done = run(
        "evaluate", one.path, table, "--split", "all", "--compare", "one", "--base-url",
        f"{served.url}/v1", "--limit", 30, "--json", cwd=tmp_path,
    )  # fmt: skip
    report = json.loads(done.stdout)
    said = report["compare"]
    assert (said["rows"], said["unanswered"], said["target"]) == (30, 0, "label")
    assert said["metrics"] == said["bundle"]
    assert {"accuracy", "balanced_accuracy", "macro_f1", "interval"} == set(said["metrics"])
    assert said["difference"] == {"metric": "accuracy", "value": 0.0, "interval": [0.0, 0.0]}
    assert report["targets"] == one.evaluate(table, None)["targets"]
    shown = run(
        "evaluate", one.path, table, "--compare", "one", "--base-url", f"{served.url}/v1",
        cwd=tmp_path,
    ).stdout  # fmt: skip
    assert "accuracy: +0.0000 for the bundle" in shown


def test_an_answer_that_is_none_counts_as_wrong(odd, one, table, tmp_path):
    endpoint = ChatClient("odd", odd.url, cache=tmp_path / "kept.sqlite")
    said = remote.compare(one, table, None, endpoint, ask="Which?", limit=10)
    assert said["unanswered"] == 10  # it repeats the remark
    assert "is none of the classes" in said["why"]
    assert said["metrics"]["accuracy"] == 0
    assert said["difference"]["value"] == said["bundle"]["accuracy"]


@pytest.mark.slow
def test_numbers_and_transcripts_are_measured_too(odd, table, tmp_path):
    config = tiny.config(table, epochs=1)
    config["inputs"] = {"speed": {"kind": "number"}}
    config["targets"] = {"amount": {"kind": "number"}}
    bundle = mmbm.train(config, run=tmp_path / "run")
    said = remote.compare(bundle, table, None, ChatClient("odd", odd.url, cache=tmp_path / "k"))
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    errors = np.array([float(row["speed"]) - float(row["amount"]) for row in rows])
    assert said["rows"] == 96  # it repeats the speed
    assert said["metrics"]["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-4)
    speech = spoken.make(tmp_path / "spoken", 128)
    listener = mmbm.train(spoken.config(speech, epochs=25), run=tmp_path / "speech")
    with serving(tmp_path / "served", listener.path) as server:
        endpoint = ChatClient("speech", f"{server.url}/v1", cache=tmp_path / "k")
        said = remote.compare(listener, speech, None, endpoint)
    assert said["metrics"] == said["bundle"]
    assert said["metrics"]["wer"] < 0.9
    assert said["ask"].startswith("What is said?")


@pytest.mark.slow
def test_texts_are_measured_too(tmp_path):
    table = told.make(tmp_path / "told", 96)
    config = told.config(table, epochs=4)
    del config["inputs"]["number"]
    writer = mmbm.train(config, run=tmp_path / "run")
    with serving(tmp_path / "served", "--model", f"writer={writer.path}") as server:
        endpoint = ChatClient("writer", f"{server.url}/v1", cache=tmp_path / "k")
        said = remote.compare(writer, table, None, endpoint)
    assert (said["rows"], said["unanswered"]) == (96, 0)
    assert said["metrics"] == said["bundle"]
    assert said["metrics"]["chrf"] > 0


def test_what_cannot_be_compared_is_refused(odd, bundle, table, tmp_path):
    endpoint = ChatClient("odd", odd.url, cache=tmp_path / "k")
    with pytest.raises(MmbmError, match=r"compared on a category, .* has label, amount"):
        remote.compare(bundle, table, None, endpoint, target="tags")
    done = run("evaluate", bundle.path, "--compare", "odd", status=2)
    assert "--compare needs a TABLE and --base-url" in done.stderr


def test_a_kind_that_no_model_can_be_asked_for_is_refused():
    with pytest.raises(MmbmError, match=r"can't be asked for a labels: .* category, number, text"):
        Question("Which?", "labels").text()
