"""Another spelling of a value that training saw is that value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.errors import BadCell
from mmbm.kinds.category.column import CategoryColumn, name
from mmbm.kinds.category.spec import CategorySpec


def fitted(cells, **options) -> CategoryColumn:
    column = CategoryColumn(CategorySpec(**options))
    column.fit(cells)
    return column


def index(column, cell) -> int:
    return int(column.decode(cell))


TRUE = [True, np.True_, 1, 1.0, "1", "1.0", "t", "T", "true", "TRUE", "yes", "YES", "y", "on"]
FALSE = [False, np.False_, 0, 0.0, "0", "0.0", "f", "F", "false", "FALSE", "no", "NO", "n", "off"]


@pytest.mark.parametrize("trained", list(zip(FALSE, TRUE)), ids=str)
def test_a_truth_value_has_one_spelling_whatever_was_trained(trained):
    column = fitted(list(trained) * 3)
    false, true = (index(column, cell) for cell in trained)
    assert {index(column, cell) for cell in TRUE} == {true}
    assert {index(column, cell) for cell in FALSE} == {false}
    assert false
    assert true
    assert false != true


def test_spellings_of_truth_are_one_value_in_training_too():
    column = fitted(["yes", "TRUE", "1", "true", "no", "0", "no"])
    assert column.state["counts"] == [3, 4]
    assert index(column, "NO") == index(column, False) == 1


@pytest.mark.parametrize(
    "values", [["0", "1", "2"], ["T", "N"], ["no", "se", "dk"], ["1", "yes, often"], ["t", "1"]]
)
def test_what_is_no_column_of_truth_values_stays_apart(values):
    column = fitted(values)
    assert len(column.state["values"]) == len(values)
    assert column.unseen("true") == ["true"]


def test_a_number_is_one_value_as_float32_as_float64_and_as_text():
    trained = fitted([0.1, 0.2, 0.7])
    for cell in (np.float32(0.1), float(np.float32(0.1)), np.float16(0.1), "0.1", "0.10", "1e-1"):
        assert index(trained, cell) == 1
    wide = fitted([repr(float(np.float32(x))) for x in (0.1, 0.2)])  # a csv of widened float32
    assert index(wide, "0.1") == index(wide, np.float32(0.1)) == 1


def test_values_that_training_told_apart_are_never_joined():
    column = fitted(["1.5", "1.50", "007", "7"])
    assert len(column.state["values"]) == 4
    assert [index(column, cell) for cell in column.state["values"]] == [1, 2, 3, 4]
    assert column.unseen("1.500") == ["1.500"]
    assert fitted(["007", "8"]).unseen(7) == ["7"]


@given(st.one_of(st.text(), st.floats(), st.integers(), st.booleans(), st.binary(), st.none()))
def test_any_cell_is_seen_unseen_absent_or_bad(cell):
    column = fitted(["yes", "no"])
    try:
        found = column.unseen(cell)
    except BadCell:
        return
    assert found == ([] if name(cell) is None or index(column, cell) else [name(cell)])
