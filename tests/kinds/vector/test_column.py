"""Cells of several numbers are vectors of one length, or are refused by a sentence."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.cells.arrays import numbers
from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.vector.column import VectorColumn
from mmbm.kinds.vector.spec import LONGEST, VectorSpec

GOOD = [[0.5, -1.0, 3.0], [1.5, 2.0, 3.0]]


def fitted(*cells, **options) -> VectorColumn:
    column = VectorColumn(VectorSpec(**options))
    column.fit(cells or GOOD)
    return column


@pytest.mark.parametrize(
    "cell",
    [
        [0.5, -1, 3], (0.5, -1.0, 3.0), np.array([0.5, -1, 3]), np.array([0.5, -1, 3], np.float16),
        "[0.5, -1.0, 3]", "[0.5 -1.  3.]", "[ 0.5\n -1. 3. ]", "{0.5,-1,3}", b"[0.5,-1,3]",
        "array([0.5, -1., 3.], dtype=float32)", "tensor([0.5, -1., 3.])",
    ],
)  # fmt: skip
def test_every_way_of_writing_a_vector_gives_the_same(cell):
    value = fitted().decode(cell)
    assert value is not None
    assert value.dtype == np.float32
    assert value.tolist() == [0.5, -1.0, 3.0]


@pytest.mark.parametrize("cell", [None, "", " ", float("nan")])
def test_an_empty_cell_is_absent(cell):
    assert fitted().decode(cell) is None


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ([0.5, 1.0], "has 2 numbers, and the others 3; make all vectors by one model"),
        ([], "has 0 numbers, and the others 3"),
        ([0.5, float("nan"), 1], "has nan at place 2 of 3"),
        ("[0.5, inf, 1]", "has inf at place 2 of 3"),
        ([0.5, 1e39, 1], "has 1e+39 at place 2 of 3"),
        ([0.5, None, 1], "has nothing at place 2 of 3, where a number belongs"),
        ([0.5, "a", 1], "has a str at place 2 of 3"),
        ([0.5, True, 1], "has a bool at place 2 of 3"),
        ([10**400, 1, 2], "a number that is too large"),
        ("[0.5, x, 1]", "has 'x' at place 2 of 3"),
        ("[0.5,, 1]", "has '' at place 2 of 3"),
        ("[[0.5, 1.0], [1, 2]]", "lists within a list"),
        ([[0.5], [1.0], [2.0]], "has a list of 1 numbers"),
        ("[0.1 0.2 ... 0.9]", "was cut by the program that wrote it"),
        ("soon", "is 'soon', not a list of numbers"),
        (3.5, "is a float, not a list of numbers"),
        (np.zeros((2, 2)), "array of shape (2, 2)"),
        (np.array(["a"]), "not a list of numbers"),
        ([0.0] * (LONGEST + 1), f"has {LONGEST + 1} numbers, more than {LONGEST}"),
        ("[" + "0" * 1_000_000 + "]", "has 1000002 characters"),
    ],
)
def test_what_is_no_vector_of_this_length_is_refused_with_the_reason(cell, reason):
    with pytest.raises(BadCell) as refused:
        fitted().decode(cell)
    assert reason in refused.value.reason


def test_most_train_rows_decide_the_length_and_the_options_overrule_them():
    assert fitted(*GOOD, [1.0]).storage.shape == (3,)
    told = fitted(*GOOD, [1.0], length=1)
    assert (told.storage.shape, told.state["count"]) == ((1,), 1)


def test_lists_of_many_lengths_are_no_vectors():
    with pytest.raises(ConfigError, match=r"more than 16 lengths .* kind: series"):
        fitted(*([0.5] * n for n in range(1, 30)))


def test_mean_and_spread_are_those_of_each_place_and_a_constant_place_is_not_magnified():
    state = fitted().state
    assert state["mean"] == [1.0, 0.5, 3.0]
    assert state["std"] == [0.5, 1.5, 1.0]


@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=8))
def test_text_and_lists_give_the_same_numbers(values):
    text = json.dumps(values)
    np.testing.assert_array_equal(numbers(text, 8), numbers(values, 8))
    assert numbers(text, 8).tolist() == values


CELLS = st.one_of(
    st.text("[]{}()0123456789.eE+-, \nnaif", max_size=30), st.text(), st.binary(),
    st.lists(st.one_of(st.none(), st.floats(), st.integers(), st.text())),
)  # fmt: skip


@given(CELLS)
def test_whatever_a_cell_holds_it_is_read_or_refused(cell):
    try:
        value = fitted().decode(cell)
    except BadCell as bad:
        reason = bad.reason
    else:
        assert value is None or np.isfinite(value).all()
        return
    assert 0 < len(reason) < 400
