"""Spellings of one value: truth values, and numbers that went through float32 or a csv.

`alias` gives spellings of one value one key. It is used only if a value isn't known literally, so
that two values that training distinguished are never merged.
"""

import math
import re
from collections.abc import Iterable

import numpy as np

PAIRS = (
    ("false", "true"),
    ("0", "1"),
    ("no", "yes"),
    ("n", "y"),
    ("f", "t"),
    ("off", "on"),
    ("否", "是"),
    ("нет", "да"),
    ("nein", "ja"),
    ("non", "oui"),
)
TRUTH = {word: bool(side) for pair in PAIRS for side, word in enumerate(pair)}
# Not 007 or 01.5, which are codes.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)

Key = bool | float


def truth(value: str) -> bool | None:
    """Which truth value a word or a digit stands for, if any."""
    return TRUTH.get(value.lower())


def all_truth(values: Iterable[str]) -> bool:
    """Whether a column of these values is one of truth values: all are spellings of them, and at
    least one pair is whole (T beside N are letters), or they are the words true, false, yes, no."""
    lower = {value.lower() for value in values}
    if not lower or not lower <= TRUTH.keys():
        return False
    return lower <= {*PAIRS[0], *PAIRS[2]} or any(lower >= set(pair) for pair in PAIRS)


def shortest(value: float) -> float:
    """The number with the fewest digits that a float32 distinguishes, if `value` is one: 0.1 for
    0.10000000149011612, the float64 of a float32's 0.1."""
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def alias(value: str, truths: bool) -> Key | None:
    """The common key of all spellings of `value`; None if it has only one. `truths`: see
    `all_truth`."""
    if truths and (found := truth(value)) is not None:
        return found
    if not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    whole = value.lstrip("-").isdigit()
    if not math.isfinite(number) or (whole and abs(number) >= 2**53):  # digits would be lost
        return None
    return shortest(number)
