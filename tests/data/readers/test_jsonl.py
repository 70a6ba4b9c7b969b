"""JSON and JSON lines as tables."""

import json
from pathlib import Path

import pytest
from rows import opened, rows_of

from mmbm.errors import TableError

OBJECTS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


@pytest.mark.parametrize(
    "value",
    [
        OBJECTS,
        {"version": 1, "data": OBJECTS},
        {"a": [1, 2], "b": ["x", None]},
        {"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": None}},
        {"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2, None]]},
    ],
    ids=["array", "array under a key", "columns", "columns of pandas", "split of pandas"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_file_is_a_table_in_its_usual_shapes(value, indent, tmp_path: Path):
    table = opened(tmp_path, json.dumps(value, indent=indent), "t.json")

    assert [table.row(i) for i in range(table.rows)] == OBJECTS


def test_splits_in_a_json_file_are_rows_with_a_split_column(tmp_path: Path):
    table = opened(tmp_path, json.dumps({"train": OBJECTS, "validation": OBJECTS[:1]}), "t.json")

    assert rows_of(table) == [(1, "x", "train"), (2, None, "train"), (1, "x", "valid")]
    with pytest.raises(TableError, match=r"2 tables \(cats, dogs\)"):
        opened(tmp_path, json.dumps({"cats": OBJECTS, "dogs": OBJECTS}), "u.json")


@pytest.mark.parametrize(("name", "content", "where"), [
    ("t.jsonl", '{"a": 1}\n{"a": 1, "a": 2}\n', "line 2: the key 'a' stands twice"),
    ("t.json", '[{"a": 1}, {"a": {"b": 1, "b": 2}}]', "row 2: the key 'b' stands twice"),
])  # fmt: skip
def test_a_key_that_stands_twice_in_a_row_is_refused(name, content, where, tmp_path: Path):
    with pytest.raises(TableError, match=where):
        opened(tmp_path, content, name)


def test_numbers_that_json_does_not_know_are_counted_and_said(tmp_path: Path):
    table = opened(tmp_path, '{"a": NaN}\n{"a": Infinity}\n{"a": NaN}\n', "t.jsonl")

    assert "NaN (2 times), Infinity (1 times)" in table.notes[0]
    assert [str(cell) for cell in table.cells("a")] == ["None", "inf", "None"]


def test_json_lines_in_a_json_file_are_read(tmp_path: Path):
    assert opened(tmp_path, "\n".join(map(json.dumps, OBJECTS)), "t.json").rows == 2
