"""Dates as people write them are put in order of time, or refused with their row."""

import tracemalloc
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.data.dates import NoDate, moments


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2024-01-31", at(2024, 1, 31)),
        ("2024-01-31T10:30+02:00", at(2024, 1, 31, 8, 30)),
        ("2024/1/31", at(2024, 1, 31)),
        ("31.1.2024 10:30", at(2024, 1, 31, 10, 30)),
        ("31/01/2024", at(2024, 1, 31)),
        ("01/31/2024 5:03 PM", at(2024, 1, 31, 17, 3)),
        ("01-31-24", at(2024, 1, 31)),
        ("31 Jan 2024", at(2024, 1, 31)),
        ("January 31st, 2024", at(2024, 1, 31)),
        ("Wed, 31 Jan 2024 10:00:00 GMT", at(2024, 1, 31, 10)),
        ("31-Sept-99".replace("31", "30"), at(1999, 9, 30)),
        ("Jan 2024", at(2024, 1, 1)),
        ("2024-03", at(2024, 3, 1)),
        ("2024Q3", at(2024, 7, 1)),
        ("2024年1月31日", at(2024, 1, 31)),
        ("20240131", at(2024, 1, 31)),
        ("1700000000", 1.7e9),
        (1700000000, 1.7e9),
    ],
)
def test_each_way_of_writing_a_date_is_read(cell, moment):
    assert moments([cell]).tolist() == [moment]


def test_the_whole_column_decides_whether_the_day_comes_first():
    assert moments(["03/04/2024", "31/12/2024"])[0] == at(2024, 4, 3)
    assert moments(["03/04/2024", "12/31/2024"])[0] == at(2024, 3, 4)


@pytest.mark.parametrize(
    ("cells", "row", "reason"),
    [
        (["02/01/2025", "01/04/2025"], 0, "no row of the column tells its day from its month"),
        (["12/13/2024", "13/12/2024"], 1, "but row 1 says '12/13/2024'"),
        (["2024-01-01", "soon"], 1, "is 'soon', which is not a supported date"),
        (["2024-01-01", 5], 1, "other rows have dates"),
        (["2024-02-30"], 0, "there is no such day"),
        (["13/13/2024"], 0, "there is no such day"),
        (["2024-01-01", " "], 1, "is empty"),
        (["Janet 2024"], 0, "is not a supported date"),
        (["31012024", "2024-01-01x"], 0, "other rows have dates"),
    ],
)
def test_what_is_no_date_is_refused_by_its_row(cells, row, reason):
    with pytest.raises(NoDate, match=reason) as refused:
        moments(cells)
    assert refused.value.row == row


WRITTEN = ("%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%B %d, %Y", "%Y%m%d", "%Y/%m/%d", "%a, %d %b %Y")
DAYS = st.dates(date(1970, 1, 1), date(2099, 12, 31))


@given(st.lists(DAYS, min_size=1, max_size=8), st.sampled_from(WRITTEN))
def test_days_sort_alike_however_they_are_written(days, way):
    values = moments([day.strftime(way) for day in days])
    assert values.tolist() == [at(day.year, day.month, day.day) for day in days]


@given(st.lists(DAYS, min_size=1, max_size=8), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y"]))
def test_slashes_are_read_rightly_or_refused(days, way):
    days.append(date(2024, 1, 31))
    values = moments([day.strftime(way) for day in days])
    assert values.tolist() == [(day - date(1970, 1, 1)) / timedelta(seconds=1) for day in days]


@given(st.lists(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary())))
def test_whatever_cells_hold_they_are_read_or_refused(cells):
    try:
        read = moments(cells)
    except NoDate as error:
        refused = error.row
    else:
        assert len(read) == len(cells)
        return
    assert 0 <= refused < len(cells)


@pytest.mark.parametrize("way", ["%Y-%m-%d", "%d/%m/%Y", "%d%m%Y", "number"])
def test_a_column_of_dates_is_never_in_memory_as_python_objects(way):
    rows = 20_000
    days = [date(2000, 1, 1) + timedelta(days=i % 9000) for i in range(rows)]

    class Column:
        """What can be gone through again and again."""

        def __iter__(self):
            return (str(i) if way == "number" else day.strftime(way) for i, day in enumerate(days))

    moments(list(Column())[:100])
    tracemalloc.start()
    values = moments(Column())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(values) == rows
    assert most < 60 * rows  # a Python string alone has 59 bytes and 8 in its list
    assert (np.argsort(values[:9000], kind="stable") == np.arange(9000)).all()
