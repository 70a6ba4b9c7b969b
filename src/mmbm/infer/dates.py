"""Dates and times of day, as people write them."""

import re
from datetime import datetime

_DATE = re.compile(
    r"(\w{2,9}\.?,? )?"  # Monday,
    r"(\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{1,2}[/-]\d{1,2}[/-]\d{2}|"
    r"\d{1,2}[. -]{1,2}[^\W\d]{3,9}\.?[ -]\d{2,4}|[^\W\d]{3,9}\.? \d{1,2},? \d{2,4}|"
    r"\d{4}年\d{1,2}月(\d{1,2}日)?)"
    r"([T ,]{1,2}\d{1,2}:\d{2}(:\d{2})?(\.\d+)?\s?([AaPp][Mm]|Z|UTC|[+-]\d{2}:?\d{2})?)?"
)
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s?([AaPp][Mm])?")


def is_date(text: str) -> bool:
    if _DATE.fullmatch(text.strip()):
        return True
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return not text.isdigit()


def is_time(text: str) -> bool:
    """Of a day, or a duration with colons."""
    return bool(_TIME.fullmatch(text.strip()))
