"""An endpoint that is busy, fails or answers nonsense: asked again, and nothing is guessed."""

import subprocess
import sys
import time

import pytest
from odd import COLOURS, label, read, texts
from servers import until

from mmbm import llm as remote
from mmbm.errors import MmbmError
from mmbm.llm import ChatClient, Question


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
