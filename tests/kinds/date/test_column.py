"""Date cells become moments and cycles, or are refused by a sentence that says the cure."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.date.column import DateColumn
from mmbm.kinds.date.spec import DateSpec


def fitted(*cells, **options) -> DateColumn:
    column = DateColumn(DateSpec(**options))
    column.fit(cells)
    return column


def seconds(value: np.ndarray) -> float:
    return value[:2].sum(dtype=np.float64) * 86_400


@pytest.mark.parametrize(
    "cell",
    [
        "2024-01-31T10:30", "2024-01-31 10:30:00.000000", "31.1.2024 10:30",
        "Wed, 31 Jan 2024 10:30:00 GMT", "2024-01-31T11:30:00+01:00", b"2024-01-31T10:30Z",
        datetime(2024, 1, 31, 10, 30), datetime(2024, 1, 31, 10, 30, tzinfo=UTC),
        datetime(2024, 1, 31, 5, 30, tzinfo=timezone(-timedelta(hours=5))),
        np.datetime64("2024-01-31T10:30"), "31/01/2024 10:30 AM",
    ],
)  # fmt: skip
def test_every_way_of_writing_a_moment_gives_the_same(cell):
    known = fitted("2024-01-31").decode("2024-01-31T10:30:00Z")
    value = fitted("31/12/2023").decode(cell)
    np.testing.assert_array_equal(value, known)
    assert seconds(value) == pytest.approx(datetime(2024, 1, 31, 10, 30, tzinfo=UTC).timestamp())


def test_each_cycle_says_how_far_it_has_gone():
    monday = fitted().decode(date(2024, 12, 30))
    assert monday is not None
    gone = [11 / 12, 29 / 31, 364 / 366, 0, 0]
    np.testing.assert_allclose(monday[2:], gone, rtol=1e-6)
    evening = fitted().decode("2023-01-01 18:00")
    np.testing.assert_allclose(evening[2:], [0, 0, 0, 6 / 7, 0.75], rtol=1e-6)


def test_a_cell_with_an_offset_is_converted_to_the_zone_and_one_without_is_a_clock_of_it():
    berlin = fitted(timezone="Europe/Berlin")
    for summer in ("2024-07-01T10:00", "2024-07-01T08:00Z", "2024-07-01T04:00-04:00"):
        value = berlin.decode(summer)
        known = datetime(2024, 7, 1, 8, tzinfo=UTC).timestamp()
        assert seconds(value) == pytest.approx(known, abs=0.01)
        assert value[-1] == pytest.approx(10 / 24)


@pytest.mark.parametrize("cell", [None, "", "  ", "NaT", "nan", float("nan"), "NULL",
                                  np.datetime64("NaT")])  # fmt: skip
def test_what_says_nothing_is_absent(cell):
    assert fitted().decode(cell) is None


def test_a_mark_of_the_options_is_absent():
    assert fitted(missing=["0000-00-00", -1], epoch="s").decode("0000-00-00") is None
    assert fitted(missing=[-1], epoch="s").decode(-1) is None


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("soon", "is 'soon', which is not a supported date format; write it as ISO does"),
        ("2024-02-30", "there is no such day"),
        (10**400, "is too large a number"),
        (1_700_000_000, "is the number 1700000000 without a unit; set epoch"),
        (True, "is a bool, not a date"),
        (["2024-01-31"], "is a list, not a date"),
        ("x" * 101, "has 101 characters"),
        ("03/04/2024", "no train row told whether its day comes first; say so: day_first"),
    ],
)
def test_a_cell_that_is_no_date_is_refused_with_the_cure(cell, reason):
    with pytest.raises(BadCell) as refused:
        fitted("2024-01-01").decode(cell)
    assert reason in refused.value.reason


def test_train_rows_decide_whether_the_day_comes_first_and_the_options_overrule_them():
    april = fitted("03/04/2024", "31/12/2024").decode("03/04/2024")
    march = fitted("03/04/2024", "12/31/2024").decode("03/04/2024")
    assert (april[2] * 12, march[2] * 12) == (pytest.approx(3), pytest.approx(2))
    told = fitted("12/31/2024", day_first=True).decode("03/04/2024")
    np.testing.assert_array_equal(told, april)
    with pytest.raises(BadCell, match="of a day that there isn't"):
        fitted(day_first=True).decode("12/31/2024")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["03/04/2024"], "no train row shows which number is the day. Write day_first"),
        (["31/12/2024", "12/31/2024"], "the day comes first in 31/12/2024 and second in"),
    ],
)
def test_an_order_that_cannot_be_told_is_an_error(cells, reason):
    with pytest.raises(ConfigError, match=reason):
        fitted(*cells)


def test_a_format_reads_what_is_written_otherwise():
    column = fitted(format="%d%m%Y %Hh%M")
    np.testing.assert_array_equal(
        column.decode("31012024 10h30"), fitted().decode("2024-01-31T10:30")
    )
    with pytest.raises(BadCell, match="does not match the format '%d%m%Y %Hh%M'"):
        column.decode("2024-01-31")


def test_numbers_count_what_epoch_says():
    known = fitted().decode("2023-11-14T22:13:20Z")
    for epoch, factor in (("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        column = fitted(epoch=epoch)
        for cell in (1_700_000_000 * factor, str(int(1_700_000_000 * factor))):
            np.testing.assert_array_equal(column.decode(cell), known)
    with pytest.raises(BadCell, match="of no year"):
        fitted(epoch="s").decode(1e20)
    with pytest.raises(BadCell, match="not a finite number"):
        fitted(epoch="s").decode("inf")


def test_a_zone_that_there_is_not_is_an_error():
    with pytest.raises(ValueError, match="no time zone 'Mars/Base'"):
        DateSpec(timezone="Mars/Base")


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
       st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]))  # fmt: skip
def test_every_moment_of_the_calendar_is_read(moment, zone):
    value = DateColumn(DateSpec(timezone=zone)).decode(moment)
    assert value is not None
    assert np.isfinite(value).all()
    assert ((value[1:] >= 0) & (value[1:] <= 1)).all()


CELLS = st.one_of(
    st.text(), st.binary(), st.integers(), st.floats(), st.none(), st.lists(st.integers()),
    st.sampled_from(["24:00", "2024-W05-3", "1/2/3"]),
)  # fmt: skip


@given(CELLS)
def test_whatever_a_cell_holds_it_is_read_or_refused(cell):
    for options in ({}, {"epoch": "ns"}, {"format": "%d.%m.%y"}):
        try:
            value = DateColumn(DateSpec(**options)).decode(cell)
        except BadCell as bad:
            reason = bad.reason
        else:
            assert value is None or np.isfinite(value).all()
            continue
        assert 0 < len(reason) < 400
