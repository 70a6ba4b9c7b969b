"""Dates as people write them -> seconds since 1970, so that rows can be put in order of time.

ISO, 31/12/2024 or 12/31/2024 (decided by the whole column), 31.12.2024, 3 Jan 2024, Jan 2024,
2024Q1, 2024年1月3日, epoch numbers. A cell that is none of these is refused: text is never sorted.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
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


def moments(cells: Sequence[Cell]) -> np.ndarray:
    """float64 [rows] that sort as the dates do: seconds since 1970, or the numbers themselves.

    Raises NoDate: a cell that is empty or no date, numbers beside dates, or a column in which the
    day can't be told from the month.
    """
    texts = [_text(row, cell) for row, cell in enumerate(cells)]
    numbers = [_NUMBER.fullmatch(text) is not None for text in texts]
    if all(_COMPACT.fullmatch(text) for text in texts):
        texts = _separated(texts)
        numbers = [_NUMBER.fullmatch(text) is not None for text in texts]
    if all(numbers):
        values = np.array([float(text) for text in texts])
        if len(wild := np.flatnonzero(~np.isfinite(values))):
            raise NoDate(int(wild[0]), f"says {texts[wild[0]][:40]!r}, which is no moment")
        return values
    if any(numbers):
        few = numbers.count(True) <= numbers.count(False)
        row = numbers.index(few)
        others = "dates" if few else "numbers"
        raise NoDate(row, f"says {texts[row][:40]!r}, but other rows have {others}")
    read = [_date(row, text) for row, text in enumerate(texts)]
    day_first = _day_first([p if isinstance(p, Parts) else None for p in read], texts)
    return np.array(
        [
            _seconds(row, texts[row], part, day_first) if isinstance(part, Parts) else part
            for row, part in enumerate(read)
        ]
    )


def _separated(texts: list[str]) -> list[str]:
    """Eight digits that are days, 20240131 or 31012024, with dashes; other numbers as they are."""
    if all(1900 <= int(text[:4]) <= 2100 and 1 <= int(text[4:6]) <= 12 for text in texts):
        return [f"{text[:4]}-{text[4:6]}-{text[6:]}" for text in texts]
    if all(
        1900 <= int(text[4:]) <= 2100 and 1 <= int(text[:2]) <= 31 and 1 <= int(text[2:4]) <= 31
        for text in texts
    ):
        return [f"{text[:2]}/{text[2:4]}/{text[4:]}" for text in texts]
    return texts


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


def _day_first(read: Sequence[Parts | None], texts: Sequence[str]) -> bool:
    """Whether 03/04/2024 is in April: a number above 12 anywhere in the column says so."""
    parts = [(row, part) for row, part in enumerate(read) if part is not None]
    day = next((row for row, part in parts if part.first > 12), None)
    month = next((row for row, part in parts if part.second > 12), None)
    if day is not None and day == month:
        raise NoDate(day, f"says {texts[day][:40]!r}, and there is no such day")
    if day is not None and month is not None:
        raise NoDate(
            max(day, month),
            f"says {texts[max(day, month)]!r}, but row {min(day, month) + 1} says "
            f"{texts[min(day, month)]!r}: the day comes first in one and second in the other",
        )
    if day is None and month is None and parts:
        orders = [
            np.argsort([_seconds(row, texts[row], part, way) for row, part in parts], kind="stable")
            for way in (True, False)
        ]
        if (orders[0] != orders[1]).any():
            row = next(row for row, part in parts if part.first != part.second)
            raise NoDate(
                row, f"says {texts[row]!r}, and no row of the column tells its day from its month"
            )
    return month is None


def _seconds(row: int, text: str, part: Parts, day_first: bool) -> float:
    day, month = (part.first, part.second) if day_first else (part.second, part.first)
    try:
        return _at(part.year, month, day) + part.seconds
    except (ValueError, OverflowError) as error:
        raise NoDate(row, f"says {text[:40]!r}, and there is no such day ({error})") from error
