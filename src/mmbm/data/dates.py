"""Dates as people write them -> seconds since 1970, so that rows can be put in order of time.

ISO, 31/12/2024 or 12/31/2024 (decided by the whole column), 31.12.2024, 3 Jan 2024, Jan 2024,
2024Q1, 2024年1月3日, epoch numbers. A cell that is none of these is refused: text is never sorted.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import NamedTuple

import numpy as np

from mmbm.kinds.column import Cell

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FULL = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
CURE = "Write dates as ISO does: 2024-01-31, or 2024-01-31T10:30."

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?", re.ASCII)
_COMPACT = re.compile(r"\d{8}", re.ASCII)
_CLOCK = re.compile(
    r"[\sT,]+(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?\s*([AaPp]\.?[Mm]\.?)?"
    r"\s*(Z|UTC|GMT|[-+]\d{2}:?\d{2})?$",
    re.ASCII,
)
_DIGITS = re.compile(r"(\d{1,4})\s*([-/. ])\s*(\d{1,2})\s*\2\s*(\d{1,4})", re.ASCII)
_MONTH = re.compile(r"(\d{4})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{4})", re.ASCII)
_QUARTER = re.compile(r"(\d{4})[- ]?[qQ]([1-4])|[qQ]([1-4])[- /]?(\d{4})", re.ASCII)
_CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月(?:\s*(\d{1,2})\s*日)?", re.ASCII)
_WEEKDAY = re.compile(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.IGNORECASE)


class NoDate(ValueError):
    """A cell is no date; `row` counts from 0, `reason` is a clause."""

    def __init__(self, row: int, reason: str):
        super().__init__(reason)
        self.row, self.reason = row, reason


class Parts(NamedTuple):
    """A date whose day and month may be either way round."""

    first: int
    second: int
    year: int
    seconds: float  # of the clock, less the offset of its zone


class Open(NamedTuple):
    """The dates of a column whose order of day and month is still to be found [K]."""

    rows: np.ndarray
    first: np.ndarray
    second: np.ndarray
    year: np.ndarray
    seconds: np.ndarray


class Style(NamedTuple):
    """How all cells of a column are written, by what a first look at them says."""

    rows: int
    numbers: int
    number: tuple[int, str]  # the first row that is a number, and what it says
    other: tuple[int, str]  # the first that is none
    compact: Callable[[str], str] | None  # of eight digits that are days, with dashes


def moments(cells: Iterable[Cell]) -> np.ndarray:
    """float64 [rows] that sort as the dates do: seconds since 1970, or the numbers themselves.

    cells: what can be gone through several times. No more than some numbers a row are kept of it.

    Raises NoDate: a cell that is empty or no date, numbers beside dates, or a column in which the
    day can't be told from the month.
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
            for kept, part in zip(found, (row, *date)):
                kept.append(part)
        else:
            values[row] = date
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


def _date(row: int, text: str) -> float | Parts:
    """Seconds, or the parts of a date whose order the whole column decides."""
    try:
        return _epoch(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    try:
        day, seconds = _clock(_WEEKDAY.sub("", text))
        if found := _DIGITS.fullmatch(day):
            first, mark, second, third = found[1], found[2], found[3], found[4]
            if len(first) == 4:
                return _at(int(first), int(second), int(third)) + seconds
            if len(first) < 3 and len(third) in (2, 4):
                parts = Parts(int(first), int(second), _year(third), seconds)
                dotted = mark == "."  # 31.12.2024: nobody writes the month first with dots
                return _at(parts.year, parts.second, parts.first) + seconds if dotted else parts
        if (named := _by_name(day)) is not None:
            return named + seconds
    except (ValueError, OverflowError) as error:
        raise NoDate(row, f"says {text[:40]!r}, and there is no such day ({error})") from error
    raise NoDate(row, f"says {text[:40]!r}, which is no date that mmbm reads")


def _by_name(day: str) -> float | None:
    """Dates that no other reading has: by month, quarter, in Chinese, or with a month's name."""
    if found := _CHINESE.fullmatch(day):
        return _at(int(found[1]), int(found[2]), int(found[3] or 1))
    if found := _MONTH.fullmatch(day):
        return _at(int(found[1] or found[4]), int(found[2] or found[3]), 1)
    if found := _QUARTER.fullmatch(day):
        return _at(int(found[1] or found[4]), 3 * int(found[2] or found[3]) - 2, 1)
    words = re.findall(r"[A-Za-z]+|\d+", day)
    if re.sub(r"[A-Za-z0-9\s,./'-]", "", day):
        return None
    months = [word for word in words if _is_month(word)]
    digits = [w for w in words if w.isdigit()]
    others = [w for w in words if w not in months and not w.isdigit()]
    if len(months) != 1 or not set(map(str.lower, others)) <= {"st", "nd", "rd", "th", "of"}:
        return None
    month = _place(months[0]) + 1
    if len(digits) == 1:
        return _at(int(digits[0]), month, 1) if len(digits[0]) == 4 else None
    if len(digits) != 2:
        return None
    year, number = digits if len(digits[0]) == 4 else digits[::-1]
    return _at(_year(year), month, int(number))


def _place(word: str) -> int:
    return MONTHS.index(word.lower()[:3])


def _is_month(word: str) -> bool:
    """Its name, or the first three letters or more of it."""
    lower = word.lower()
    return lower[:3] in MONTHS and FULL[_place(word)].startswith(lower)


def _clock(text: str) -> tuple[str, float]:
    """The day of a text, and the seconds of its clock in UTC."""
    found = _CLOCK.search(text)
    if not found:
        return text.strip(), 0.0
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[5]:
        if not 1 <= hour <= 12:
            raise ValueError(f"the hour is {hour} {found[5]}")
        hour = hour % 12 + (12 if found[5][0] in "pP" else 0)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(f"the clock says {found[0].strip()}")
    seconds = 3600 * hour + 60 * minute + second + float(found[4] or 0)
    return text[: found.start()].strip(), seconds - _offset(found[6])


def _offset(zone: str | None) -> float:
    if zone in (None, "Z", "UTC", "GMT"):
        return 0.0
    sign, digits = zone[0], zone[1:].replace(":", "")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(span if sign == "+" else -span).utcoffset(None).total_seconds()


def _year(digits: str) -> int:
    """Of two digits as POSIX has it: 69 to 99 are of the last century."""
    if len(digits) == 4:
        return int(digits)
    if len(digits) != 2:
        raise ValueError(f"the year is {digits}")
    return int(digits) + (1900 if int(digits) >= 69 else 2000)


def _at(year: int, month: int, day: int) -> float:
    return _epoch(datetime(year, month, day))


def _epoch(moment: datetime) -> float:
    """Without an offset it is taken as UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _day_first(parts: Open, cells: Iterable[Cell]) -> bool:
    """Whether 03/04/2024 is in April: a number above 12 anywhere in the column says so."""
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
            found[i] = _at(int(year), int(month), int(day)) + parts.seconds[i]
        except (ValueError, OverflowError) as error:
            row = int(parts.rows[i])
            said = _says(cells, row)[:40]
            raise NoDate(row, f"says {said!r}, and there is no such day ({error})") from error
    return found
