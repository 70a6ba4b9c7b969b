"""How numbers are written: one reading for a column, and a bad cell for what doesn't fit it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.cells.notation import Notation
from mmbm.errors import BadCell
from mmbm.kinds.number.column import NumberColumn, parse
from mmbm.kinds.number.spec import NumberSpec, NumberTarget


def read(cell, **options) -> float | None:
    value = NumberColumn(NumberSpec(**options)).decode(cell)
    return None if value is None else float(value)


@pytest.mark.parametrize(
    ("cell", "options", "value"),
    [
        ("28,7", {"decimal": ","}, 28.7),
        ("1.234,50 €", {"decimal": ",", "thousands": ".", "unit": "€"}, 1234.5),
        ("$1,200.50", {"thousands": ",", "unit": "$"}, 1200.5),
        ("-$1,200", {"thousands": ",", "unit": "$"}, -1200),
        ("$-1,200", {"thousands": ",", "unit": "$"}, -1200),
        ("($1,200)", {"thousands": ",", "unit": "$"}, -1200),
        ("$(1,200)", {"thousands": ",", "unit": "$"}, -1200),
        ("1,234", {"thousands": ","}, 1234),
        ("12,34,567", {"thousands": ","}, 1234567),
        ("1 234,5", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1\u00a0234,5", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1\u202f234\u202f567", {"thousands": " "}, 1234567),
        ("1’234.20", {"thousands": "'"}, 1234.2),
        ("1'234.20", {"thousands": "'"}, 1234.2),
        ("12 %", {"unit": "%"}, 12),
        ("12.5%", {"unit": "%"}, 12.5),
        ("12 kg", {"unit": "kg"}, 12),
        ("12KG", {"unit": "kg"}, 12),
        ("12", {"unit": "kg"}, 12),
        (12, {"unit": "kg"}, 12),
        ("500 g", {"unit": {"kg": 1, "g": 0.001}}, 0.5),
        ("1.2k", {"unit": {"k": 1000, "M": 1e6}}, 1200),
        ("?", {"missing": ["?", "-"]}, None),
        ("-", {"missing": ["?", "-"]}, None),
        ("-999", {"missing": [-999]}, None),
        (-999.0, {"missing": [-999]}, None),
        ("−5", {}, -5),
        ("１２．５", {}, 12.5),
        ("٣٤٫٥", {}, 34.5),
        ("5-", {}, -5),
        ("(5)", {}, -5),
        ("(624.31)", {}, -624.31),
        ("(-624.31)", {}, -624.31),
        ("( −1,624.31 )", {}, -1624.31),
        ('"5"', {}, 5),
        ("'5", {}, 5),
        ("\u200e5\u200f", {}, 5),
    ],
)
def test_a_number_is_read_as_its_column_writes_it(cell, options, value):
    assert read(cell, **options) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("cell", "options", "reason"),
    [
        ("28.7", {"decimal": ","}, "written with decimal ','"),
        ("12 lb", {"unit": "kg"}, "unit kg"),
        ("1,2", {"thousands": ","}, "not a number"),
        ("0,125", {"thousands": ","}, "not a number"),
        ("28,7", {}, "say how it is written: decimal, thousands"),
        ("12 kg", {}, "not a number"),
        ("--5", {}, "not a number"),
        ("((5))", {}, "not a number"),
        ("-(624.31)", {}, r"a sign stands beside; write -5 or \(5\)"),
        ("(624.31)-", {}, r"a sign stands beside; write -5 or \(5\)"),
        ("(+624.31)", {}, r"a sign stands beside; write -5 or \(5\)"),
        ("$$5", {"unit": "$"}, "not a number"),
        ("unknown", {"missing": ["?"]}, "not a number"),
        ("1e30 M", {"unit": {"M": 1e6}}, "too large"),
        ("1" * 500, {}, "not a number"),
    ],
)
def test_another_way_of_writing_is_a_bad_cell_that_says_how_the_column_is_read(
    cell, options, reason
):
    with pytest.raises(BadCell, match=reason):
        read(cell, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"decimal": ",", "thousands": ","},
        {"unit": ""},
        {"unit": "5"},
        {"unit": {"kg": 0}},
        {"missing": "?"},
    ],
)
def test_options_without_one_reading_are_refused(options):
    with pytest.raises(ValueError):
        NumberSpec(**options)


def test_a_target_is_read_by_the_same_options():
    column = NumberColumn(NumberTarget(decimal=",", missing=["k.A."]))

    assert column.fit(["1,5", "2,5", "k.A."])["count"] == 2
    assert column.decode("k.A.") is None


def test_a_bundle_of_before_these_options_reads_as_it_did():
    spec = NumberSpec.model_validate({"kind": "number", "missing": True, "log": False})

    assert read("1,234.5") == 1234.5
    assert spec.missing is True


numbers = st.floats(-1e12, 1e12, allow_nan=False).map(lambda x: round(x, 3))


@given(numbers, st.sampled_from([(",", "."), (".", ","), (",", " "), (".", "'")]))
def test_what_is_written_in_a_notation_is_read_back(number: float, marks: tuple[str, str]):
    decimal, thousands = marks
    text = f"{number:,.3f}".translate(str.maketrans({",": thousands, ".": decimal}))

    assert read(text + " kg", decimal=decimal, thousands=thousands, unit="kg") == number


@given(
    st.text(max_size=40), st.sampled_from([{}, {"decimal": ",", "thousands": "."}, {"unit": "%"}])
)
def test_any_text_is_a_finite_number_absent_or_a_bad_cell(text: str, options: dict):
    try:
        value = read(text, **options)
    except BadCell:
        return
    assert value is None or math.isfinite(value)


def test_the_default_notation_is_what_has_one_reading():
    assert parse("1,234.5") == 1234.5
    assert Notation().read("NA") is None
    with pytest.raises(BadCell):
        parse("1,234")


@pytest.mark.parametrize("text", ["46.-", "46.—", "46,-", "Fr. 46.-", "46.--"])
def test_a_dash_in_place_of_cents_is_no_sign(text):
    unit = (("Fr.", 1.0),)
    decimal = "," if "," in text else "."
    assert Notation(decimal, None, unit).read(text) == 46
    assert Notation(decimal, None, unit).read("46-") == -46
