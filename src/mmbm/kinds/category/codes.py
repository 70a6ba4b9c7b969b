"""Whole numbers that are identifiers: codes, and numbered classes rather than a scale."""

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mmbm.cells.dates import dates_as_numbers
from mmbm.cells.names import counts_something, snake

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

CLASSES = 20
"""Whole numbers that count from 0 or 1 may be classes if there are at most this many."""
FEW = 5
"""Whole numbers with gaps, such as 200, 404 and 500, are classes if there are at most this many;
this many in order may be a scale."""
NAMED = "as its name says"
EXACT = 2.0**53
"""Floats represent whole numbers below it exactly."""
KEPT = 500
"""Values of a code that get a weight of their own."""

_CODE = re.compile(
    r"(^|_)(id|code|sku|zip|plz|postal|zip_?code|post_?code|postal_?code|pin_?code|prefix|store|"
    r"shop|branch|depot|warehouse)(_?(id|no|nr|code|number))?$"
)
_CLASS = re.compile(
    r"(^|_)(label|class|digit|species|category|type|kind|cluster|group|code|id|genre|emotion|"
    r"topic|speaker|language|breed)(_?(id|no|nr|code|index))?$"
)
_SCALE = re.compile(
    r"(^|_)(rating|stars?|scores?|grade|points?|level|rank|quality|severity|stage|satisfaction|"
    r"intensity|degree|difficulty|age|years?|count|number)$|^(n|num|number|count)_"
)


# ── codes ────────────────────────────────────────────────────────────────────────────────────────


def are_codes(sample: "Sample") -> str:
    """Why whole numbers are codes, such as zip codes or product numbers, rather than quantities;
    empty if they aren't. Decided by their values; the name is a hint where these leave it open."""
    numbers = sample.finite
    if not sample.is_whole or sample.written.options.keys() - {"missing"} or len(numbers) < 20:
        return ""
    values, counts = np.unique(numbers, return_counts=True)
    if values[0] < 0 or len(values) < 3 or len(numbers) < 2 * len(values):
        return ""
    rough = roughness(values, counts)
    if len(numbers) >= 3 * len(values) and rough > 5 and len(values) > 10 and _alike(values):
        return "few different ones over a wide range, all equally long"
    if not named_code(sample.name):
        return ""
    if rough < 2 and not _level(numbers):
        return ""  # as smooth as a measurement
    return "as its name and its repeated values say"


def named_code(name: str) -> bool:
    name = snake(name)
    return bool(_CODE.search(name)) and not counts_something(name)


def roughness(values: np.ndarray, counts: np.ndarray) -> float:
    """How much more neighboring whole numbers differ in frequency than by chance: about 1 for
    measurements, large if some values are used and others never are."""
    apart = np.diff(values) > 1  # a neighbour that isn't there has no rows
    before = np.concatenate([[True], apart])
    after = np.concatenate([apart, [True]])
    squares = (np.diff(counts)[~apart].astype(float) ** 2).sum()
    squares += (counts[before].astype(float) ** 2).sum() + (counts[after].astype(float) ** 2).sum()
    return float(squares / (2 * counts.sum()))


def _alike(values: np.ndarray) -> bool:
    """All of five digits or more, equally many, and neither rounded nor dates."""
    if values[-1] >= EXACT:
        return False
    if np.gcd.reduce(np.diff(values).astype(np.int64)) > 1 or dates_as_numbers(values):
        return False  # steps of a quantity, or days
    digits = {len(f"{value:.0f}") for value in values}
    last = np.unique(values % 10, return_counts=True)[1]
    return len(digits) == 1 and min(digits) >= 5 and last.max() < max(0.35 * len(values), 4)


def _level(numbers: np.ndarray) -> bool:
    """About equally many everywhere between the least and the largest."""
    bins = min(10, int(np.ptp(numbers)) + 1)
    counts = np.histogram(numbers, bins)[0]
    mean = counts.mean()
    return bool(((counts - mean) ** 2).sum() < 3 * mean * len(counts))


def least_count(counts: Counter[str]) -> int:
    """`min_count` of a category: rare values as one, and at most `KEPT` others."""
    rare = sum(n == 1 for n in counts.values())
    least = 2 if len(counts) > 20 and rare > 0.1 * len(counts) else 1
    if len(counts) > KEPT:
        least = max(least, sorted(counts.values(), reverse=True)[KEPT] + 1)
    return least


# ── scales and numbered classes ──────────────────────────────────────────────────────────────────


def may_be_classes(sample: "Sample", different: int) -> bool:
    """Whole numbers without a unit, each in four rows or more."""
    unit = sample.written.options.get("unit")
    return sample.is_whole and not unit and len(sample.finite) >= 4 * different


def are_classes(name: str, values: np.ndarray, counts: np.ndarray) -> str:
    """Why whole numbers of a target, each in several rows, are classes; empty if their size counts.

    values: different ones, rising; counts: their rows.
    """
    if len(values) == 2:
        return "two values"
    name = snake(name)
    if _CLASS.search(name) and len(values) <= 2 * KEPT:
        return NAMED
    dense = values[-1] - values[0] + 1 <= 1.25 * len(values)
    if not dense:
        return "few values, with gaps" if len(values) <= FEW else ""
    if not 0 <= values[0] <= 1 or len(values) > CLASSES:
        return ""
    if len(values) < FEW:
        return "few values"
    if _SCALE.search(name):
        return ""
    mean = counts.mean()
    if counts.min() >= 0.5 * counts.max() or ((counts - mean) ** 2).sum() < 2 * mean * len(counts):
        return "about equally frequent"
    return "" if _one_turn(counts) else "frequencies in no order"


def _one_turn(counts: np.ndarray) -> bool:
    """Frequencies rise and then fall, or fall and then rise, but for chance."""
    steps = np.diff(counts)
    clear = steps[np.abs(steps) > 2 * np.sqrt(counts[1:] + counts[:-1])]
    return bool((np.diff(np.sign(clear)) != 0).sum() <= 1)
