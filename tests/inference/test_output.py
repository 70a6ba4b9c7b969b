"""Answers are given in the type and the spelling of the target's column."""

import csv
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import mmbm
from mmbm.inference.output import write_rows
from mmbm.kinds.category.column import shown
from mmbm.kinds.labels.answer import LabelsAnswer
from mmbm.kinds.labels.column import LabelsColumn
from mmbm.kinds.labels.spec import LabelsTarget


def trained(column, folder, **files):
    """A model whose number x tells the class."""
    x = np.arange(48) % 2
    frame = pd.DataFrame({"x": x + np.linspace(0, 0.1, 48), "y": column(x)})
    config = {
        "data": {"table": "t.csv"},
        "inputs": {"x": {"kind": "number"}},
        "targets": {"y": {"kind": "category"}},
        "train": {"epochs": 15, "batch_size": 8, "lr": 0.01, "golden_rows": 2},
    }
    return mmbm.train(config, table=frame, run=folder / "run"), frame


@pytest.mark.parametrize(
    ("column", "type_", "arrow"),
    [(lambda x: x == 1, bool, pa.bool_()), (lambda x: x + 3, int, pa.int64())],
    ids=["bool", "int"],
)
def test_classes_are_answered_as_the_bool_or_int_they_were(column, type_, arrow, tmp_path):
    bundle, frame = trained(column, tmp_path)
    rows = bundle.predict(frame, probabilities=True)
    answers = [row["y"] for row in rows]
    assert (frame.y == answers).all()
    assert {type(answer) for answer in answers} == {type_}
    write_rows(iter(rows), tmp_path / "o.parquet")
    assert parquet.read_schema(tmp_path / "o.parquet").field("y").type == arrow
    write_rows(iter(rows), tmp_path / "o.jsonl")
    said = [json.loads(line)["y"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert said == frame.y.tolist()
    write_rows(iter(rows), tmp_path / "o.csv")
    assert (pd.read_csv(tmp_path / "o.csv").y == frame.y).all()
    assert sum(rows[0][f"y.p.{name}"] for name in bundle.values("y")) == pytest.approx(1)


@pytest.mark.parametrize(
    ("of", "type_"), [(lambda one: [int(one), 7], int), (lambda one: [bool(one)], bool)],
    ids=["int", "bool"],
)  # fmt: skip
def test_labels_are_answered_as_the_bools_or_ints_they_were(of, type_, tmp_path):
    column = LabelsColumn(LabelsTarget())
    column.fit([of(one) for one in (0, 1, 0, 1)])
    answer = LabelsAnswer(LabelsTarget(), column)
    (row,) = answer.rows(np.ones((1, len(column.state["values"]))))
    assert {type(value) for value in row["value"]} == {type_}
    assert column.decode([str(v) for v in row["value"]]).all()
    rows = [{"y": row["value"], "error": None}, {"y": [], "error": None},
            {"y": ["not sure"], "error": None}]  # fmt: skip
    write_rows(iter(rows), tmp_path / "o.parquet")
    assert parquet.read_table(tmp_path / "o.parquet")["y"].to_pylist() == [row["value"], [], None]
    write_rows(iter(rows), tmp_path / "o.csv")
    joined = ";".join(str(value).lower() for value in row["value"])
    assert (tmp_path / "o.csv").read_text().splitlines()[1] == f"{joined},"


@pytest.mark.parametrize(
    ("spec", "cells"),
    [
        (LabelsTarget(separator="|"), ["sun; sea|snow", "snow"]),
        (LabelsTarget(separator=", "), ["sun, sea", "sea"]),
        (LabelsTarget(format="list"), ["['a;b', 'c']", "['c']"]),
    ],
    ids=["separator", "two characters", "list"],
)
def test_labels_in_a_csv_read_back_by_the_options_of_their_target(spec, cells, tmp_path):
    column = LabelsColumn(spec)
    column.fit(cells)
    answer = LabelsAnswer(spec, column)
    expected = [column.decode(cell) for cell in cells]
    answers = answer.rows(np.stack(expected).astype(float))
    rows = [{"y": one["value"], "error": None} for one in answers]
    write_rows(iter(rows), tmp_path / "o.csv", {"y": answer.joined_by})
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        read = [row["y"] for row in csv.DictReader(file)]
    assert [column.decode(cell).tolist() for cell in read] == [x.tolist() for x in expected]


def test_a_label_that_holds_its_separator_is_written_in_a_json_list(tmp_path):
    column = LabelsColumn(LabelsTarget())
    column.fit([["a;b", "c"], ["c"]])  # lists, as of Parquet
    separators = {"y": LabelsAnswer(LabelsTarget(), column).joined_by}
    rows = [{"y": ["a;b", "c"], "error": None}, {"y": ["c"], "error": None}]
    write_rows(iter(rows), tmp_path / "o.csv", separators)
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        assert [json.loads(row["y"]) for row in csv.DictReader(file)] == [["a;b", "c"], ["c"]]


def test_labels_of_text_and_of_mixed_types_are_text():
    column = LabelsColumn(LabelsTarget())
    column.fit([["a", "b"], "a;c"])
    assert "shown" not in column.state
    column.fit([[1, "b"], [True]])
    assert set(shown(column.state)) == {"1", "b", "true"}


def test_an_answer_that_is_not_sure_is_null_beside_numbers_in_parquet(tmp_path):
    rows = [{"y": "not sure", "error": None}, {"y": 3, "error": None}, {"error": "bad"}]
    write_rows(iter(rows), tmp_path / "o.parquet")
    table = parquet.read_table(tmp_path / "o.parquet")
    assert table["y"].to_pylist() == [None, 3, None]
    assert table["error"].to_pylist() == [None, None, "bad"]
    rows = [{"y": "not sure", "error": None}, {"y": "a", "error": None}]
    write_rows(iter(rows), tmp_path / "o.parquet")
    assert parquet.read_table(tmp_path / "o.parquet")["y"].to_pylist() == ["not sure", "a"]
