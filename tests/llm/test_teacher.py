"""A model behind OpenAI's interface: our own server, and one that misbehaves."""

import csv
import json

import pyarrow.parquet as parquet
import pytest
from odd import read, run, texts

from mmbm import llm as remote
from mmbm.llm import ChatClient, Question


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
