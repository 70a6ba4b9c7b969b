"""Parse dates in common notations -> seconds since 1970, to sort rows by time.

ISO, 31/12/2024 or 12/31/2024 (decided by the whole column), 31.12.2024, 3 Jan 2024, Jan 2024,
2024Q1, 2024年1月3日, epoch numbers. A cell that is none of these is refused: text is never sorted.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from mmbm.cells.moments import CURE, Moment, Parts, at, read
from mmbm.errors import BadCell
from mmbm.kinds.column import Cell

__all__ = ["CURE", "NoDate", "moments"]

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?", re.ASCII)
_COMPACT = re.compile(r"\d{8}", re.ASCII)


class NoDate(ValueError):
    """A cell is no date; `row` counts from 0, `reason` is a clause."""

    def __init__(self, row: int, reason: str):
        super().__init__(reason)
        self.row, self.reason = row, reason


class Open(NamedTuple):
    """The dates of a column whose order of day and month is not known yet [K]."""

    rows: np.ndarray
    first: np.ndarray
    second: np.ndarray
    year: np.ndarray
    seconds: np.ndarray


class Style(NamedTuple):
    """The common notation of all cells of a column, from a first pass over them."""

    rows: int
    numbers: int
    number: tuple[int, str]  # the first row that is a number, and its text
    other: tuple[int, str]  # the first that is no number
    compact: Callable[[str], str] | None  # of eight digits that are days, with dashes


def moments(cells: Iterable[Cell]) -> np.ndarray:
    """float64 [rows] that sort as the dates do: seconds since 1970, or the numbers themselves.

    cells: an iterable for several passes. Only a few numbers per row are kept in memory.

    Raises NoDate: a cell that is empty or no date, numbers mixed with dates, or a column with an
    ambiguous order of day and month.
    """
    style = _style(cells)
    if style.numbers == style.rows and style.compact is None:
        values = np.empty(style.rows)
        for row, text in _texts(cells):
            values[row] = float(text)
            if not np.isfinite(values[row]):
                raise NoDate(row, f"says {text[:40]!r}, which is no moment")
        return values
    if style.numbers and style.compact is None:
        few = style.numbers <= style.rows - style.numbers
        (row, text), others = (style.number, "dates") if few else (style.other, "numbers")
        raise NoDate(row, f"says {text[:40]!r}, but other rows have {others}")
    values = np.empty(style.rows)
    found = [array("q"), array("h"), array("h"), array("h"), array("d")]
    for row, text in _texts(cells):
        date = _date(row, style.compact(text) if style.compact else text)
        if isinstance(date, Parts):
            for kept, part in zip(found, (row, *date[:4])):
                kept.append(part)
        else:
            values[row] = date.seconds
    if len(found[0]):
        parts = Open(*(np.frombuffer(kept, kept.typecode) for kept in found))
        values[parts.rows] = _seconds(parts, _day_first(parts, cells), cells)
    return values


def _texts(cells: Iterable[Cell]) -> Iterator[tuple[int, str]]:
    for row, cell in enumerate(cells):
        yield row, _text(row, cell)


def _style(cells: Iterable[Cell]) -> Style:
    rows = numbers = 0
    number = other = (0, "")
    compact = days = years = True
    for row, text in _texts(cells):
        rows += 1
        if _NUMBER.fullmatch(text) is not None:
            number = number if numbers else (row, text)
            numbers += 1
        elif rows - numbers == 1:
            other = (row, text)
        compact = compact and _COMPACT.fullmatch(text) is not None
        if compact:
            years = years and 1900 <= int(text[:4]) <= 2100 and 1 <= int(text[4:6]) <= 12
            days = days and 1900 <= int(text[4:]) <= 2100 and (
                1 <= int(text[:2]) <= 31 and 1 <= int(text[2:4]) <= 31
            )  # fmt: skip
    way = None
    if compact and (years or days):
        way = _year_first if years else _year_last
    return Style(rows, numbers, number, other, way)


def _year_first(text: str) -> str:
    """20240131 with dashes."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def _year_last(text: str) -> str:
    """31012024, or 01312024."""
    return f"{text[:2]}/{text[2:4]}/{text[4:]}"


def _text(row: int, cell: Cell) -> str:
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "replace")
    text = "" if cell is None or cell != cell else str(cell).strip()
    if not text:
        raise NoDate(row, "is empty")
    return text


def _date(row: int, text: str) -> Moment | Parts:
    try:
        return read(text)
    except BadCell as error:
        raise NoDate(row, error.reason) from error


def _day_first(parts: Open, cells: Iterable[Cell]) -> bool:
    """Whether 03/04/2024 is in April: decided by any number above 12 in the column."""
    day, month = (_where(parts, part > 12) for part in (parts.first, parts.second))
    if day is not None and day == month:
        raise NoDate(day, f"says {_says(cells, day)[:40]!r}, and there is no such day")
    if day is not None and month is not None:
        last, before = max(day, month), min(day, month)
        raise NoDate(
            last,
            f"says {_says(cells, last)!r}, but row {before + 1} says {_says(cells, before)!r}: the "
            "day comes first in one and second in the other",
        )
    if day is None and month is None:
        orders = [np.argsort(_seconds(parts, way, cells), kind="stable") for way in (True, False)]
        if (orders[0] != orders[1]).any():
            row = _where(parts, parts.first != parts.second)
            assert row is not None
            raise NoDate(
                row,
                f"says {_says(cells, row)!r}, and no row of the column tells its day from its "
                "month",
            )
    return month is None


def _where(parts: Open, which: np.ndarray) -> int | None:
    """The first of these rows."""
    places = np.flatnonzero(which)
    return int(parts.rows[places[0]]) if len(places) else None


def _says(cells: Iterable[Cell], row: int) -> str:
    return _text(row, next(islice(cells, row, None)))


def _seconds(parts: Open, day_first: bool, cells: Iterable[Cell]) -> np.ndarray:
    """Seconds since 1970 [K]."""
    days, months = (parts.first, parts.second) if day_first else (parts.second, parts.first)
    found = np.empty(len(parts.rows))
    for i, (year, month, day) in enumerate(zip(parts.year, months, days)):
        try:
            found[i] = at(int(year), int(month), int(day)) + parts.seconds[i]
        except (ValueError, OverflowError) as error:
            row = int(parts.rows[i])
            said = _says(cells, row)[:40]
            raise NoDate(row, f"says {said!r}, and there is no such day ({error})") from error
    return found
