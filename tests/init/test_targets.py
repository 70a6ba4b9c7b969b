"""A target has the kind of its values; how uneven it is, is said."""

import random

import numpy as np
import pytest
from guesses import LABEL, NOISE, RANDOM, ROWS, column, infer_one, shares, to_text

from mmbm.data.table import open_table
from mmbm.init import infer, report


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (LABEL, "category"),
        (column(lambda i: str(i % 10)), "category"),
        (column(lambda i: RANDOM.choice([True, False])), "category"),
        (column(lambda i: RANDOM.gauss(0, 1)), "number"),
        (column(lambda i: RANDOM.randint(0, 5000)), "number"),
        (column(lambda i: ["a", "b"][: i % 3]), "labels"),
    ],
)
def test_a_target_has_the_kind_of_its_values(cells, kind):
    assert infer(open_table({"x": NOISE, "t": cells}), ["t"]).targets["t"].kind == kind


def skewed(rows: int = ROWS, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(5, 1.2, rows))


@pytest.mark.parametrize(
    ("cells", "log"),
    [
        (skewed().round(2), True),
        (np.ceil(skewed()), True),
        (np.floor(skewed(seed=1) / 40), True),  # counts, some of them 0
        (skewed() * np.where(np.arange(ROWS) % 9, 1, -1) - 20, False),  # gains apart from losses
        (np.where(np.arange(ROWS) % 2, skewed(), 0), False),  # zeros apart from the rest
        (np.random.default_rng(0).normal(0, 5, ROWS), False),
        (np.random.default_rng(0).normal(50, 5, ROWS), False),
        (np.random.default_rng(0).uniform(0, 900, ROWS), False),
        (np.random.default_rng(0).beta(1, 9, ROWS), False),  # below 1 a logarithm changes nothing
    ],
    ids=["prices", "whole prices", "counts", "gains and losses", "half zeros", "signed", "normal",
         "even", "fractions"],
)  # fmt: skip
def test_of_a_long_tail_the_logarithm_is_taken_and_the_target_says_so(cells, log):
    as_input = infer_one(list(cells)).inputs["x"]
    inferred = infer(open_table({"x": NOISE, "cost": list(cells)}), ["cost"])
    target = inferred.targets["cost"]

    assert as_input.options.get("log", False) is log
    assert (target.kind, target.options.get("log", False)) == ("number", log)
    assert ("a long tail (skewness" in target.why) is log
    assert any("log: false learns it as it is" in line for line in report(inferred)) is log


@pytest.mark.parametrize(
    ("name", "cells", "kind", "said"),
    [
        ("rating", shares(1, 8, 12, 30, 70, 180), "number", "kind: category"),
        ("stars", shares(1, 60, 60, 60, 60, 60), "number", "kind: category"),
        ("y", shares(0, 20, 30, 80, 90, 50, 30), "number", "kind: category"),
        ("points", shares(84, *[20] * 15), "number", "kind: category"),
        ("quality", shares(3, 10, 30, 100, 110, 40, 10), "number", "kind: category"),
        ("y", shares(0, *[30] * 10), "category", "kind: number"),  # as frequent as one another
        ("y", shares(0, 90, 10, 80, 20, 75, 25), "category", "kind: number"),  # in no order
        ("y", shares(1, 40, 60, 200), "category", "kind: number"),
        ("y", [code for code in (200, 404, 500) for _ in range(100)], "category", "kind: number"),
        ("digit", shares(0, 60, 50, 40, 30, 30, 30, 20, 20, 10, 10), "category", ""),
        ("label", shares(0, *[6] * 50), "category", ""),
        ("y", shares(0, 200, 100), "category", ""),
    ],
)
def test_whole_numbers_in_order_are_a_number_and_numbered_classes_stay_classes(
    name, cells, kind, said
):
    table = open_table({"x": [RANDOM.random() for _ in cells], name: cells})
    inferred = infer(table, [name])
    text = to_text(inferred)
    printed = [line for line in report(inferred) if line.startswith(f"Note: {name}:")]
    printed = [line for line in printed if "kind:" in line]

    assert inferred.targets[name].kind == kind
    assert len(printed) == bool(said)
    assert all(said in line for line in printed)
    assert said in text.partition("\ntargets:")[2]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"no": 200, "yes": 100}, "no has 67%"),
        ({"no": 190, "yes": 110}, ""),
        ({"a": 150, "b": 135, "c": 15}, "a has 50%, c 5.0%"),
        ({"a": 149, "b": 135, "c": 16}, ""),
    ],
    ids=["two thirds", "less", "ten times the rarest", "less than ten times"],
)
def test_uneven_classes_are_said_in_the_config_and_printed_with_what_to_do(counts, said):
    cells = [value for value, rows in counts.items() for _ in range(rows)]
    inferred = infer(open_table({"x": NOISE, "y": random.Random(0).sample(cells, ROWS)}), ["y"])
    printed = [line for line in report(inferred) if "uneven classes" in line]
    expected = f"Note: y: uneven classes: {said}; `train: {{monitor: y.balanced_accuracy}}` decides"

    assert len(printed) == bool(said)
    assert all(line.startswith(expected) for line in printed)
    assert ("uneven classes" in inferred.targets["y"].why) is bool(said)


TAGS = column(lambda i: "a;b" if i % 2 else "b;c" if i % 3 else "a")


def test_empty_cells_of_labels_are_unknown_and_that_is_said():
    cells = [None if i % 5 == 0 else tags for i, tags in enumerate(TAGS)]
    inferred = infer(open_table({"x": NOISE, "tags": cells}), ["tags"])
    assert inferred.targets["tags"].kind == "labels"
    assert report(inferred) == [
        "Note: tags: 60 of 300 cells are empty and count as unknown, so these rows are left out; "
        "if they mean that no label applies: empty: none."
    ]


def test_empty_texts_and_lists_say_that_no_label_applies():
    cells = [[] if i % 5 == 0 else tags.split(";") for i, tags in enumerate(TAGS)]
    (note,) = report(infer(open_table({"x": NOISE, "tags": cells}), ["tags"]))
    assert "60 of 300 cells are an empty text or list and mean that no label applies" in note
