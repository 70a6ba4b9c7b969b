"""Identifier columns: they name who was recorded, or number the rows, and measure nothing."""

import re

import numpy as np

from mmbm.cells.names import counts_something, snake
from mmbm.kinds.sample import Sample

_WHO = re.compile(
    r"(^|_)(speaker|user|subject|patient|person|participant|contributor|session|driver|author|"
    r"block|customer|client|source_?clip|recording)(_?(id|no|nr|key|code|name))?$"
)
_ID = re.compile(r"(^|_)(id|ids|uuid|guid|key|hash|rowid|pk)$")
_MAYBE_ID = re.compile(r"(^|_)(index|idx|no|nr|num|number|code|frame|row|serial)$")


def is_row_number(sample: Sample) -> bool:
    """It rises by the same step from row to row, or numbers the rows without a gap in any order.
    (Numbers in a sorted order only may well be measured.)"""
    there = np.isfinite(sample.numbers)
    numbers, rows = sample.numbers[there], sample.rows[there]
    steps = np.diff(numbers) / np.diff(rows)
    even = len(steps) > 0 and steps[0] != 0 and (steps == steps[0]).mean() >= 0.98
    gapless = sample.whole and numbers.max() - numbers.min() + 1 <= 1.02 * len(numbers)
    return bool(even or gapless)


def named_id(sample: Sample) -> bool:
    """Its name has an identifier's suffix; a number, code or index also has to rise or fall."""
    name = snake(sample.name)
    if _ID.search(name):
        return True
    steps = np.diff(sample.numbers)
    return bool(_MAYBE_ID.search(name)) and bool((steps > 0).all() or (steps < 0).all())


def names_who(sample: Sample) -> bool:
    """Its name ends in who or what was recorded, and several rows have one of several values."""
    name = snake(sample.name)
    ids = sample.distinct > 2 and sample.repeats > 1
    return ids and bool(_WHO.search(name)) and not counts_something(name)


def named_key(sample: Sample) -> bool:
    """Its name is an identifier's, whatever its values."""
    return bool(_ID.search(snake(sample.name)))
