"""Parse one date in a common notation -> a moment, or its parts if day and month are ambiguous.

ISO 8601, 31/12/2024 or 12/31/2024, 31.12.2024, 3 Jan 2024, Jan 2024, 2024Q1, 2024年1月3日, with a
time of day and an offset from UTC behind it. Other text is refused, never guessed.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from mmbm.errors import BadCell

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FULL = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
CURE = "Write dates as ISO does: 2024-01-31, or 2024-01-31T10:30."

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


class Moment(NamedTuple):
    seconds: float
    """Seconds since 1970-01-01 00:00 of the written local time, minus its offset if it has one."""
    aware: bool
    """It has an offset from UTC, so `seconds` are UTC."""


class Parts(NamedTuple):
    """A date with an ambiguous order of day and month."""

    first: int
    second: int
    year: int
    seconds: float  # of local time, minus the offset of its zone
    aware: bool = False  # it has such an offset

    def at(self, day_first: bool) -> Moment:
        """Raises BadCell: there is no such day."""
        day, month = (self.first, self.second) if day_first else (self.second, self.first)
        try:
            return Moment(at(self.year, month, day) + self.seconds, self.aware)
        except (ValueError, OverflowError) as error:
            raise BadCell(f"is of a day that there isn't ({error})") from error


def read(text: str) -> Moment | Parts:
    """A moment, or the parts of a date whose order other cells of its column decide. Raises
    BadCell."""
    try:
        return of_datetime(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    try:
        day, seconds, aware = _clock(_WEEKDAY.sub("", text))
        if found := _DIGITS.fullmatch(day):
            first, mark, second, third = found[1], found[2], found[3], found[4]
            if len(first) == 4:
                return Moment(at(int(first), int(second), int(third)) + seconds, aware)
            if len(first) < 3 and len(third) in (2, 4):
                parts = Parts(int(first), int(second), _year(third), seconds, aware)
                if mark != ".":
                    return parts
                # 31.12.2024: with dots the day is always first
                return Moment(at(parts.year, parts.second, parts.first) + seconds, aware)
        if (named := _by_name(day)) is not None:
            return Moment(named + seconds, aware)
    except (ValueError, OverflowError) as error:
        raise BadCell(f"is {text[:40]!r}, and there is no such day ({error})") from error
    raise BadCell(f"is {text[:40]!r}, which is not a supported date format")


def of_datetime(moment: datetime) -> Moment:
    """Without an offset its local time is kept."""
    aware = moment.tzinfo is not None
    return Moment((moment if aware else moment.replace(tzinfo=UTC)).timestamp(), aware)


def _by_name(day: str) -> float | None:
    """Unambiguous dates: by month, quarter, in Chinese, or with a month's name."""
    if found := _CHINESE.fullmatch(day):
        return at(int(found[1]), int(found[2]), int(found[3] or 1))
    if found := _MONTH.fullmatch(day):
        return at(int(found[1] or found[4]), int(found[2] or found[3]), 1)
    if found := _QUARTER.fullmatch(day):
        return at(int(found[1] or found[4]), 3 * int(found[2] or found[3]) - 2, 1)
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
        return at(int(digits[0]), month, 1) if len(digits[0]) == 4 else None
    if len(digits) != 2:
        return None
    year, number = digits if len(digits[0]) == 4 else digits[::-1]
    return at(_year(year), month, int(number))


def _place(word: str) -> int:
    return MONTHS.index(word.lower()[:3])


def _is_month(word: str) -> bool:
    """Its name, or the first three letters or more of it."""
    lower = word.lower()
    return lower[:3] in MONTHS and FULL[_place(word)].startswith(lower)


def _clock(text: str) -> tuple[str, float, bool]:
    """The day of a text, the seconds of its clock less its offset, and whether it names one."""
    found = _CLOCK.search(text)
    if not found:
        return text.strip(), 0.0, False
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[5]:
        if not 1 <= hour <= 12:
            raise ValueError(f"the hour is {hour} {found[5]}")
        hour = hour % 12 + (12 if found[5][0] in "pP" else 0)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(f"the time of day is {found[0].strip()}")
    seconds = 3600 * hour + 60 * minute + second + float(found[4] or 0)
    return text[: found.start()].strip(), seconds - _offset(found[6]), found[6] is not None


def _offset(zone: str | None) -> float:
    if zone in (None, "Z", "UTC", "GMT"):
        return 0.0
    sign, digits = zone[0], zone[1:].replace(":", "")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(span if sign == "+" else -span).utcoffset(None).total_seconds()


def _year(digits: str) -> int:
    """Two-digit years as in POSIX: 69 to 99 are of the last century."""
    if len(digits) == 4:
        return int(digits)
    if len(digits) != 2:
        raise ValueError(f"the year is {digits}")
    return int(digits) + (1900 if int(digits) >= 69 else 2000)


def at(year: int, month: int, day: int) -> float:
    """Seconds since 1970 at the beginning of a day. Raises ValueError."""
    return datetime(year, month, day, tzinfo=UTC).timestamp()
