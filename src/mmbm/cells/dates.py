"""Recognize dates and times of day in common notations."""

import re
from datetime import datetime

import numpy as np

_DATE = re.compile(
    r"(\w{2,9}\.?,? )?"  # Monday,
    r"(\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{1,2}[/-]\d{1,2}[/-]\d{2}|"
    r"\d{1,2}[. -]{1,2}[^\W\d]{3,9}\.?[ -]\d{2,4}|[^\W\d]{3,9}\.? \d{1,2},? \d{2,4}|"
    r"\d{4}年\d{1,2}月(\d{1,2}日)?)"
    r"([T ,]{1,2}\d{1,2}:\d{2}(:\d{2})?(\.\d+)?\s?([AaPp][Mm]|Z|UTC|[+-]\d{2}:?\d{2})?)?"
)
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s?([AaPp][Mm])?")

_PARTS = re.compile(
    r"(\d+([.,]\d+)?\s?(d|days?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)\.?,?\s?){2,4}",
    re.IGNORECASE,
)
_ISO = re.compile(r"-?P(\d+[YMWD])*(T(\d+([.,]\d+)?[HMS])+)?(?<!P)")


def is_date(text: str) -> bool:
    if _DATE.fullmatch(text.strip()):
        return True
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return not text.isdigit()


def dates_as_numbers(numbers: np.ndarray) -> str:
    """The meaning of whole numbers if all of at least ten different ones are dates: 20240131,
    202401, or seconds or milliseconds since 1970. Empty if they are not."""
    values = np.unique(numbers)
    if len(values) < 10:
        return ""
    days, months = values % 100, values // 100 % 100
    years = values // 10_000
    if _within(years, 1900, 2100) and _within(months, 1, 12) and _within(days, 1, 31):
        return "dates (yyyymmdd)"
    if _within(values // 100, 1900, 2100) and _within(days, 1, 12):
        return "months (yyyymm)"
    if _within(values, 9e8, 2.2e9):
        return "seconds since 1970"
    return "milliseconds since 1970" if _within(values, 9e11, 2.2e12) else ""


def _within(values: np.ndarray, low: float, high: float) -> bool:
    return bool(values.min() >= low and values.max() <= high)


def is_time(text: str) -> bool:
    """Of a day, or a duration in parts: 1:20, 1 h 20 min, PT1H20M."""
    text = text.strip()
    return bool(_TIME.fullmatch(text) or _PARTS.fullmatch(text) or _ISO.fullmatch(text))
