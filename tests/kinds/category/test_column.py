"""Categories: one name for one value, numbered by name."""

import pytest

from mmbm.errors import ConfigError
from mmbm.kinds.category.column import CategoryColumn, name, shown
from mmbm.kinds.category.spec import CategorySpec, CategoryTarget


def fitted(column, cells):
    column.fit(cells)
    return column


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (3, "3"),
        (3.0, "3"),
        ("3", "3"),
        ("3.0", "3"),
        ("007", "007"),
        (2.5, "2.5"),
        (True, "true"),
        ("True", "true"),
        ("  red ", "red"),
        ("cafe\u0301", "caf\u00e9"),
        ("NA", "NA"),  # Namibia
        ("", None),
        (float("nan"), None),
        (1e300, "1e+300"),
    ],
)
def test_one_value_has_one_name(cell, value):
    assert name(cell) == value


def test_values_are_numbered_by_name_from_one_and_zero_is_unseen():
    column = fitted(CategoryColumn(CategorySpec()), ["b", "a", "b", None])

    assert column.state == {"values": ["a", "b"], "counts": [1, 2], "rare": 0}
    assert [int(column.decode(c)) for c in ("a", "b", "new")] == [1, 2, 0]
    assert column.decode("") is None


def test_rare_values_are_one_with_unseen_ones():
    column = fitted(CategoryColumn(CategorySpec(min_count=2)), ["a", "a", "b", "c"])

    assert column.state == {"values": ["a"], "counts": [2], "rare": 2}
    assert int(column.decode("b")) == 0


def test_an_identifier_is_refused_as_a_category():
    with pytest.raises(ConfigError, match="looks like text or an identifier"):
        CategoryColumn(CategorySpec(max_values=100)).fit(map(str, range(10**9)))


def test_a_form_lists_a_hundred_choices_at_most():
    few = fitted(CategoryColumn(CategorySpec()), ["a", "b"]).describe()
    many = fitted(CategoryColumn(CategorySpec()), range(500)).describe()

    assert few.schema["enum"] == ["a", "b"]
    assert "enum" not in many.schema
    assert len(many.schema["examples"]) == 100


@pytest.mark.parametrize(
    "cells",
    [["TRUE", "FALSE"], ["1.0", "2.0"], ["Yes", "No"], ["01", "02"], [1.5, 2.5], [True, False]],
    ids=str,
)
def test_a_class_keeps_its_spelling(cells):
    column = CategoryColumn(CategoryTarget())
    column.fit([*cells, *cells, None])
    assert sorted(shown(column.state), key=str) == sorted(cells, key=str)
    assert {type(value) for value in shown(column.state)} == {type(cells[0])}


def test_the_most_frequent_spelling_is_kept():
    column = CategoryColumn(CategoryTarget())
    column.fit(["TRUE", "TRUE", "true", "False", "false", "false"])
    assert shown(column.state) == ["false", "TRUE"]
