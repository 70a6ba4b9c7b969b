"""Leaks: columns that (nearly) determine the target or one another, judged on held-out rows."""

from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np

from mmbm.kinds.sample import Sample

NEARLY = 0.98
"""Right for so many of the held-out rows: nearly determined."""
SAME = 0.995
"""Both ways: the same thing under another name."""


class Told(NamedTuple):
    """How well one column predicts another, on held-out rows."""

    right: float  # fraction predicted correctly; for numbers, of the variance
    same: bool  # and the reverse holds too: practically one column


def tells(
    column: Sample, target: Sample, number: bool, rows: np.ndarray | None = None
) -> Told | None:
    """How `column` predicts `target` (a number or a category), if it nearly determines it; `rows`
    are the places in the samples that count, all if not given."""
    if len(column.rows) != len(target.rows):
        return None
    if rows is not None and len(rows) < len(column.rows) and rows[-1] < len(column.rows):
        column, target = column.at(rows), target.at(rows)
    if number:
        return _tells_number(column, target)
    there = _purity(column.keys, target.keys)
    if there is None:
        return None
    back = _purity(target.keys, column.keys, floor=False)
    return Told(there, there >= SAME and (back or 0) >= SAME)


def same_cells(one: Sample, other: Sample) -> bool:
    """Two columns with exactly the same value in every row."""
    return len(one.rows) == len(other.rows) and one.distinct > 1 and one.keys == other.keys


def contains(column: Sample, target: Sample) -> bool:
    """The text spells out the target in nearly every row."""
    pairs = [
        (text.lower(), label.lower())
        for text, label in zip(column.keys, target.keys)
        if text and label
    ]
    long = [label for _, label in pairs if len(label) > 2]
    if len(pairs) < 20 or len(long) < 0.9 * len(pairs):
        return False
    return sum(label in text for text, label in pairs) >= 0.95 * len(pairs)


def _purity(
    values: list[str | None], classes: list[str | None], floor: bool = True
) -> float | None:
    """Fraction of a held-out half predicted correctly by the commonest class of each value in the
    other half.

    None if little of it has a value seen before (an identifier predicts nothing), if fewer than
    `NEARLY` are right, or if the commonest class alone is right as often.
    """
    pairs = [(v, c) for v, c in zip(values, classes) if v is not None and c is not None]
    half = np.random.default_rng(0).random(len(pairs)) < 0.5
    seen: defaultdict[str, Counter] = defaultdict(Counter)
    for (value, label), learn in zip(pairs, half):
        if learn:
            seen[value][label] += 1
    held = [pair for pair, learn in zip(pairs, half) if not learn]
    known = [(v, c) for v, c in held if v in seen]
    if len(known) < 10 or len(known) < 0.5 * len(held):
        return None
    right = sum(seen[v].most_common(1)[0][0] == c for v, c in known) / len(known)
    common = Counter(c for _, c in known).most_common(1)[0][1] / len(known)
    if right < NEARLY or (floor and common > 1 - 2 * (1 - NEARLY)):
        return None
    return right


def _tells_number(column: Sample, target: Sample) -> Told | None:
    """By rank correlation if the column is a number too, else by the mean of each value."""
    y = target.numbers
    if column.is_number:
        x = column.numbers
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() < 20 or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
            return None
        ranks = [np.unique(v[both], return_inverse=True)[1] for v in (x, y)]
        right = max(_correlation(x[both], y[both]), _correlation(*ranks))
        return Told(right, right > 0.99999) if right > NEARLY else None
    half = np.random.default_rng(0).random(len(y)) < 0.5
    means: defaultdict[str, list[float]] = defaultdict(list)
    for value, number, learn in zip(column.keys, y, half):
        if learn and value is not None and np.isfinite(number):
            means[value].append(float(number))
    held = [
        (float(n), float(np.mean(means[v])))
        for v, n, learn in zip(column.keys, y, half)
        if not learn and v in means and np.isfinite(n)
    ]
    if len(held) < 0.25 * len(y) or len(held) < 10:
        return None
    true, told = np.array(held).T
    spread = float(((true - true.mean()) ** 2).sum())
    right = 1 - float(((true - told) ** 2).sum()) / spread if spread else 0.0
    return Told(right, right > 0.99999) if right > NEARLY else None


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """R²: the fraction of the variance that a straight line explains."""
    a, b = one - one.mean(), other - other.mean()
    return float((a @ b) ** 2 / ((a @ a) * (b @ b)))
