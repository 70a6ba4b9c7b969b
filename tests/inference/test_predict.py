"""Rows in, answers out: one for each, in order, nothing substituted."""

import csv
import json

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mmbm.errors import MmbmError, TableError
from mmbm.inference.output import write_rows

TOLERANCE = 1e-5


def rows_of(table):
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def inputs_of(row, table):
    names = ("photo", "speech", "remark", "speed", "place")
    cells = {name: row[name] for name in names}
    return {
        **cells,
        "photo": str(table.parent / row["photo"]),
        "speech": str(table.parent / row["speech"]),
    }


def test_one_answer_for_each_row_in_order(bundle, table):
    answers = bundle.predict(table)
    one_by_one = [bundle.predict(inputs_of(row, table))[0] for row in rows_of(table)[:10]]
    assert len(answers) == 96
    for together, alone in zip(answers, one_by_one):
        assert together["label"] == alone["label"]
        assert together["label.confidence"] == pytest.approx(
            alone["label.confidence"], abs=TOLERANCE
        )
        assert together["amount"] == pytest.approx(alone["amount"], abs=1e-3)
        assert together["tags"] == alone["tags"]


def test_the_model_learned_something(bundle, table):
    right = [a["label"] == row["label"] for a, row in zip(bundle.predict(table), rows_of(table))]
    assert np.mean(right) > 0.8


def test_a_row_that_cannot_be_read_has_an_error_and_the_others_are_answered(bundle, table):
    rows = [inputs_of(row, table) for row in rows_of(table)[:3]]
    rows[1]["photo"] = "no/such.png"
    first, second, third = bundle.predict(rows)
    assert second == {"error": second["error"]}
    assert second["error"].startswith("photo: ")
    assert first["error"] is None
    assert third["error"] is None


def test_a_row_with_nothing_present_gets_the_prior(bundle, table):
    (answer,) = bundle.predict({}, probabilities=True)
    counts = bundle.columns["label"].state["counts"]
    prior = np.array(counts) / sum(counts)
    given = [answer[f"label.p.{name}"] for name in bundle.columns["label"].state["values"]]
    assert given == pytest.approx(list(prior), abs=0.02)
    assert answer["amount"] == pytest.approx(bundle.columns["amount"].state["mean"], abs=1e-3)


def test_an_absent_photo_is_not_a_black_photo(bundle, tmp_path):
    from PIL import Image

    Image.new("RGB", (12, 12)).save(tmp_path / "black.png")
    absent, black = bundle.predict(
        [{"speed": 3.0}, {"speed": 3.0, "photo": str(tmp_path / "black.png")}], probabilities=True
    )
    assert absent["label.p.red"] != pytest.approx(black["label.p.red"], abs=1e-6)


def test_contributions_sum_to_the_difference_from_the_prior(bundle, table):
    answers = bundle.predict(table, probabilities=True, explain=True)
    for answer in answers:
        parts = [v for k, v in answer.items() if k.startswith("label.attribution.")]
        assert len(parts) == 5  # prior, photo, speech, remark, table
        assert sum(parts) == pytest.approx(answer["label.confidence"], abs=1e-4)
        parts = [v for k, v in answer.items() if k.startswith("amount.attribution.")]
        assert sum(parts) == pytest.approx(answer["amount"], abs=1e-2)


def test_below_the_confidence_asked_for_the_answer_is_not_sure(bundle, table):
    answers = bundle.predict(table, abstain_below=0.8)
    assert {a["label"] == "not sure" for a in answers} == {True, False}
    assert all((a["label"] == "not sure") == (a["label.confidence"] < 0.8) for a in answers)


def test_a_table_without_an_input_is_refused_unless_said_so(bundle):
    rows = {"remark": ["it looks red"], "speed": [20.0], "place": ["town1"]}
    with pytest.raises(
        TableError,
        match=r"has no column 'photo'.*--drop-input photo, in Python drop_input=\['photo'\]",
    ):
        bundle.predict(__import__("pyarrow").table(rows))
    (answer,) = bundle.predict(__import__("pyarrow").table(rows), drop_input=["photo", "speech"])
    assert answer["error"] is None


def test_an_unknown_input_is_named(bundle):
    with pytest.raises(TableError, match="'phto' is not an input"):
        bundle.predict({"phto": "p.png"})


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_answers_are_written_row_by_row(bundle, table, tmp_path, ending):
    rows = [inputs_of(row, table) for row in rows_of(table)[:3]]
    rows[0]["photo"] = "no/such.png"
    path = tmp_path / f"out.{ending}"
    assert write_rows(iter(bundle.predict(rows)), path) == 1
    if ending == "csv":
        written = rows_of(path)
    elif ending == "jsonl":
        written = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        written = parquet.read_table(path).to_pylist()
    assert len(written) == 3
    assert written[0]["error"].startswith("photo: ")
    assert written[1]["label"] in ("red", "green", "blue")


def test_without_an_input_means_the_same_for_rows_as_for_a_table(bundle):
    row = {"remark": "it looks red", "speed": 20.0}
    assert bundle.predict(row, drop_input=["speed"]) == bundle.predict({"remark": row["remark"]})
    assert bundle.predict(row, drop_input="speed") == bundle.predict(row, drop_input=["speed"])


@pytest.mark.parametrize("wrong", [2.0, -1.0, float("nan")])
def test_a_confidence_that_is_no_probability_is_refused(bundle, wrong):
    with pytest.raises(MmbmError, match="abstain_below is a probability"):
        bundle.predict({}, abstain_below=wrong)


@pytest.mark.parametrize("first", [[], ["red"], ["not sure"]])
def test_labels_are_lists_of_text_whatever_the_first_row_says(tmp_path, first):
    rows = [{"tags": tags, "error": None} for tags in (first, ["red", "odd"], [])]
    write_rows(iter(rows), tmp_path / "out.parquet")
    assert [row["tags"] for row in parquet.read_table(tmp_path / "out.parquet").to_pylist()] == [
        first, ["red", "odd"], [],
    ]  # fmt: skip


def test_unsure_labels_stay_a_list(bundle):
    (answer,) = bundle.predict({}, abstain_below=1.0)
    assert (answer["label"], answer["tags"]) == ("not sure", ["not sure"])
