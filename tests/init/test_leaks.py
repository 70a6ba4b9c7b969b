"""Columns that give the target away, or repeat another input, are left out or warned of."""

import pytest
from guesses import LABEL, RANDOM, ROWS, column, infer_one, to_text

from mmbm.data.table import open_table
from mmbm.init import infer


@pytest.mark.parametrize(
    "rename",
    [str.upper, lambda label: {"cat": 5, "dog": 2, "owl": 9}[label]],
    ids=["text", "number"],
)
def test_the_target_under_another_name_is_left_out(rename):
    inferred = infer_one([rename(label) for label in LABEL])

    assert inferred.left_out["x"].why == "practically the target label itself"
    assert "To use it: x: {kind:" in to_text(inferred)


def test_a_finer_category_is_kept_with_a_warning():
    inferred = infer_one([f"{label} {RANDOM.randint(1, 4)}" for label in LABEL])

    assert inferred.inputs["x"].kind == "category"
    assert "x nearly determines label" in inferred.warnings[0]
    assert inferred.warnings[0] in to_text(inferred)


def test_a_text_that_spells_out_the_target_is_warned_of():
    texts = [
        f"a {label} that was seen {i} times {RANDOM.random()}" for i, label in enumerate(LABEL)
    ]

    assert "x spells out label" in infer_one(texts).warnings[0]


def test_a_number_that_is_the_target_in_another_unit_is_left_out():
    target = [RANDOM.gauss(20, 5) for _ in range(ROWS)]
    inferred = infer_one([1.8 * value + 32 for value in target], target)

    assert inferred.left_out["x"].why == "practically the target label itself"


def test_an_unrelated_or_merely_useful_column_is_no_leak():
    useful = [label if RANDOM.random() < 0.8 else "owl" for label in LABEL]

    inferred = infer_one(useful)

    assert "x" in inferred.inputs
    assert inferred.warnings == []


def test_the_few_repeated_rows_of_a_text_are_no_leak():
    # Every text is of one class, but most texts occur once: nothing is told of a new row.
    texts = [
        f"the {label} number {i // 8 if i % 8 < 2 else i + 1000}" for i, label in enumerate(LABEL)
    ]
    texts = [text.replace(label, "animal") + f" {label[0]}" for text, label in zip(texts, LABEL)]

    assert infer_one(texts).warnings == []


def test_a_copy_of_another_input_is_left_out():
    colour = column(lambda i: RANDOM.choice(["red", "blue"]))
    table = open_table({"colour": colour, "color": list(colour), "label": LABEL})

    inferred = infer(table, ["label"])

    assert list(inferred.inputs) == ["colour"]
    assert "the same as colour" in inferred.left_out["color"].why
