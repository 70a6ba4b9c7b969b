"""Numbers: what each spelling means, and what a column learns of them."""

import numpy as np
import pytest

from mmbm.errors import BadCell
from mmbm.kinds.number.column import NumberColumn, parse
from mmbm.kinds.number.spec import NumberSpec


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (3, 3.0),
        ("3", 3.0),
        (" -2.5e-3 ", -0.0025),
        ("+.5", 0.5),
        (True, 1.0),
        ("1,234.5", 1234.5),
        ("-1,234,567", -1234567.0),
        (b"7", 7.0),
        (None, None),
        ("", None),
        ("NA", None),
        ("nan", None),
        (float("nan"), None),
        ("NULL", None),
    ],
)
def test_a_number_has_one_reading(cell, value):
    assert parse(cell) == value


@pytest.mark.parametrize(
    "cell",
    ["1,234", "1.234,5", "12,34", "1_000", "0x1f", "5%", "ten", "inf", "1e999", 10**400, [1]],
)
def test_what_has_two_readings_or_none_is_a_bad_cell(cell):
    with pytest.raises(BadCell):
        parse(cell)


def test_statistics_agree_with_numpy_and_pass_over_bad_cells():
    values = np.random.default_rng(0).normal(5, 3, 30_000)

    state = NumberColumn(NumberSpec(bins=4)).fit([*values, "bad", None])

    assert state["count"] == 30_000
    assert state["mean"] == pytest.approx(values.mean())
    assert state["std"] == pytest.approx(values.std())
    assert state["edges"] == pytest.approx(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    assert (state["minimum"], state["maximum"]) == (values.min(), values.max())


def test_quantiles_of_a_long_column_are_close_though_few_values_are_kept():
    state = NumberColumn(NumberSpec(bins=10)).fit(iter(range(400_000)))

    assert np.abs(np.array(state["edges"]) / 400_000 - np.linspace(0, 1, 11)).max() < 0.01


def test_a_constant_and_an_empty_column_have_a_usable_state():
    constant = NumberColumn(NumberSpec()).fit([7.1] * 100)
    empty = NumberColumn(NumberSpec()).fit([None, "bad"])

    assert (constant["mean"], constant["std"]) == (pytest.approx(7.1), 1.0)
    assert (empty["mean"], empty["std"], empty["count"]) == (0.0, 1.0, 0)
    for state in (constant, empty):
        assert len(state["edges"]) >= 2
        assert np.diff(state["edges"]).min() > 0


def test_log_keeps_the_sign_and_the_statistics_are_of_the_logarithms():
    column = NumberColumn(NumberSpec(log=True))
    state = column.fit([0, 99, 9999])

    assert column.decode(-99) == pytest.approx(-np.log(100))
    assert state["mean"] == pytest.approx((np.log(100) + np.log(10000)) / 3)
    assert (state["minimum"], state["maximum"]) == (0, 9999)


def test_an_empty_cell_is_bad_where_missing_is_false():
    with pytest.raises(BadCell, match="missing is false"):
        NumberColumn(NumberSpec(missing=False)).decode("")
