"""`mmbm init`: each column becomes what a thoughtful person would have written, and says why."""

import random
from pathlib import Path

import numpy as np
import pytest
from guesses import ROWS, column, drawn, infer_one, to_text

from mmbm.data.table import open_table
from mmbm.init import infer, report

RANDOM = random.Random(1)


# ── kinds of inputs ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cells", "kind", "options"),
    [
        (column(lambda i: str(RANDOM.gauss(20, 5))), "number", {}),
        (column(lambda i: str(RANDOM.randint(0, 99))), "number", {}),
        (column(lambda i: RANDOM.choice([0, 1])), "number", {}),
        (column(lambda i: np.exp(RANDOM.gauss(3, 2.5))), "number", {"log": True}),
        (column(lambda i: RANDOM.choice(["red", "blue", "green"])), "category", {}),
        (column(lambda i: RANDOM.choice(["001", "002", "010"])), "category", {}),
        (column(lambda i: f"c{RANDOM.randint(1, 40)}"), "category", {}),
        (column(lambda i: RANDOM.choice([True, False])), "category", {}),
        (column(lambda i: f"2024-01-{1 + i % 28:02d}"), "date", {}),
        (
            column(lambda i: f"the {i}th sentence of them, with {i % 7} words"),
            "text",
            {"max_tokens": 256, "tokenizer": "ngram"},
        ),
        (
            column(lambda i: f"请打开第{i}个客厅的灯"),
            "text",
            {"max_tokens": 256, "tokenizer": "ngram"},
        ),
        (column(lambda i: RANDOM.sample(["wet", "cold", "loud"], 2)), "labels", {}),
        (column(lambda i: ";".join(RANDOM.sample(["wet", "cold", "loud"], i % 4))), "labels", {}),
        (column(lambda i: "|".join(RANDOM.sample("abcd", 2))), "labels", {"separator": "|"}),
    ],
    ids=[
        "floats",
        "whole numbers",
        "0 and 1",
        "long tail",
        "words",
        "codes with leading zeros",
        "codes of letters and digits",
        "truth values",
        "dates",
        "sentences",
        "Chinese sentences",
        "lists",
        "separated labels",
        "labels with another separator",
    ],
)
def test_a_kind_is_found_from_the_values(cells, kind, options):
    found = infer_one(cells).inputs["x"]

    assert found.kind == kind
    assert {key: found.options.get(key) for key in options} == options
    assert "log" in options or "log" not in found.options


def test_a_few_cells_that_are_no_numbers_do_not_make_a_column_text():
    cells = column(lambda i: "unknown" if i == 9 else str(RANDOM.random()))

    assert infer_one(cells).inputs["x"].kind == "number"


ZIPS = np.random.default_rng(2).choice(np.arange(10_000, 99_999), 40, replace=False)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("zip", drawn(ZIPS)),
        ("anything", drawn(ZIPS)),  # the values alone say it
        ("productId", drawn(range(2, 1200, 17))),
        ("ColumnStore", drawn(range(1, 31))),
        ("store_id", drawn(range(1, 31), even=True)),
        ("phone prefix", drawn([212, 305, 415, 646, 713, 917])),
    ],
)
def test_whole_numbers_that_name_something_are_a_category_and_that_is_printed(name, cells):
    inferred = infer_one(cells, name=name)

    assert inferred.inputs[name].kind == "category"
    assert any(f"{name}: {len(set(cells))} whole numbers" in line for line in report(inferred))
    assert "kind: number if their size counts" in to_text(inferred)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("age_code", np.random.default_rng(0).normal(45, 12, 3000).round()),  # smooth
        ("zip", np.random.default_rng(0).integers(10_000, 99_999, ROWS)),  # hardly repeats
        ("salary", 500 * np.random.default_rng(0).normal(90, 9, 3000).round()),  # rounded
        ("price", drawn([n * 1000 + 999 for n in range(10, 99)])),
        ("year", drawn(range(1990, 2024))),
        ("height_cm", drawn([40, 60, 75, 80, 90, 120, 128, 160, 200, 202, 236])),
        ("sessions_per_shop", drawn(range(40))),
    ],
)
def test_quantities_stay_numbers_whatever_their_name(name, cells):
    found = infer_one(np.resize(np.asarray(cells), ROWS).tolist(), name=name).inputs[name]

    assert found.kind == "number"
    named = name in ("age_code", "zip")
    assert any("named like a code" in note for note in found.notes) is named


def test_the_codes_of_a_real_table_are_found_and_its_quantities_stay_numbers(data: Path):
    def kinds(folder: str, target: str) -> dict[str, str | None]:
        inputs = infer(open_table(data / folder / "data.csv"), [target]).inputs
        return {name: found.kind for name, found in inputs.items()}

    reviews = kinds("clothing_reviews", "recommended")
    assert (reviews["clothing_id"], reviews["age"]) == ("category", "number")
    sizes = kinds("ikea_prices", "price_sar")
    assert {sizes[name] for name in ("depth_cm", "height_cm", "width_cm")} == {"number"}
    patients = kinds("icu_vitals", "died_in_hospital")
    assert {patients[name] for name in ("age", "n_steps", "weight_kg")} == {"number"}
    assert kinds("fashion_products", "season")["year"] == "number"
    assert kinds("food_weight", "weight_g")["volume_ml"] == "number"


# ── targets ──────────────────────────────────────────────────────────────────────────────────────


def test_numbers_in_brackets_are_negative_and_that_is_said():
    cells = column(lambda i: "(624.31)" if i % 3 else f"{RANDOM.gauss(50, 9):.2f}")
    inferred = infer_one(cells)
    assert inferred.inputs["x"].kind == "number"
    assert "Note: x: (624.31) is read as -624.31: brackets mean negative." in report(inferred)


def test_brackets_and_a_sign_are_refused_with_what_to_write():
    inferred = infer_one(column(lambda i: f"-({RANDOM.gauss(50, 9):.2f})"))
    assert "which have two readings; write -5 or (5)" in inferred.left_out["x"].why


# ── the real tables ──────────────────────────────────────────────────────────────────────────────


def test_whole_numbers_that_floats_cannot_tell_apart_are_left_out_by_name():
    big = [str(4 * 10**18 + i % 50) for i in range(120)]
    table = open_table({"big": big, "x": [i / 7 for i in range(120)], "y": ["a", "b"] * 60})
    assert "2^53" in infer(table, ["y"]).left_out["big"].why


def test_a_mark_in_some_rows_is_not_called_the_same_in_every_row():
    vip = ["x" if i % 3 else None for i in range(120)]
    table = open_table({"vip": vip, "x": [i / 7 for i in range(120)], "y": ["a", "b"] * 60})
    assert "in all 80 rows that aren't empty" in infer(table, ["y"]).left_out["vip"].why


@pytest.mark.parametrize(
    ("first", "step", "what"),
    [(20240101, 1, "yyyymmdd"), (202401, 1, "yyyymm"), (1_700_000_000, 3601, "seconds since 1970"),
     (1_700_000_000_000, 3_600_001, "milliseconds"), (4000, 7, "")],
)  # fmt: skip
def test_dates_written_as_numbers_are_said(first, step, what):
    chance = random.Random(0)
    cells = [first + chance.randrange(12) * step for _ in range(120)]
    table = open_table({"when": cells, "x": [i / 7 for i in range(120)], "y": ["a", "b"] * 60})
    found = infer(table, ["y"]).inputs["when"]
    notes = " ".join(found.notes)
    assert found.kind == "number"
    assert ("look like" in notes) == bool(what)
    assert what in notes


# ── units, words for nothing, truth values ───────────────────────────────────────────────────────


@pytest.mark.parametrize("cells", [
    column(lambda i: ("cafÃ©", "naÃ¯ve")[i % 2]),
    column(lambda i: f"the {i}th cafÃ© of them, with {i % 7} words"),
])  # fmt: skip
def test_text_that_was_decoded_wrongly_before_is_said(cells):
    assert "looks like" in infer_one(cells).warnings[0]
    assert "text.encode('cp1252').decode('utf-8')" in infer_one(cells).warnings[0]
    assert infer_one(column(lambda i: ("café", "Ärger", "São")[i % 3])).warnings == []
