"""Infer number columns: their notation, and whether their logarithm is easier to learn."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmbm.cells.dates import dates_as_numbers
from mmbm.kinds.category.codes import CLASSES, EXACT, may_be_classes, named_code
from mmbm.kinds.guess import ColumnGuess, show

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample


def infer(sample: "Sample") -> ColumnGuess | None:
    if not sample.is_number:
        return None
    numbers = sample.finite
    if sample.is_whole and len(numbers) and np.abs(numbers).max() >= EXACT:
        return ColumnGuess(
            None, "whole numbers beyond 2^53, which as floats can't be told apart; if they are "
            "classes: kind: category",
        )  # fmt: skip
    found = _measured(sample)
    if sample.is_whole and named_code(sample.name):
        note = f"{sample.name}: named like a code, but its values are like those of a quantity"
        found = replace(found, notes=(*found.notes, f"{note}; kind: category if it is one."))
    missing = 1 - len(sample.present) / len(sample.cells)
    return found if missing <= 0.005 else replace(found, why=f"{found.why}, {missing:.0%} empty")


def infer_target(sample: "Sample") -> ColumnGuess | None:
    """The comment and the report explain how to choose classes instead."""
    if not sample.is_number:
        return None
    found = _measured(sample)
    if found.options.get("log"):
        note = f"{sample.name}: {long_tail(sample.finite)}, so its logarithm is learned"
        found = replace(found, notes=(*found.notes, f"{note}; log: false learns it as it is."))
    different = len(np.unique(sample.finite))
    if different > CLASSES or not may_be_classes(sample, different):
        return found
    why = f"{found.why}; kind: category if these are classes"
    note = f"{sample.name}: {different} whole numbers are taken for a quantity or a scale, so a "
    note += "number is learned; kind: category if these are classes."
    return replace(found, why=why, notes=(*found.notes, note))


def _measured(sample: "Sample") -> ColumnGuess:
    """A number and how it is written."""
    numbers = sample.finite
    written = sample.written
    why = f"numbers from {numbers.min():g} to {numbers.max():g}"
    notes = tuple(f"{sample.name}: {note}." for note in written.notes)
    if sample.wrong:
        some = f"{len(sample.wrong)} of {len(sample.present)} cells are no numbers"
        why += f"; {some}, such as {show(sample.wrong[0])}"
        first = show(sample.wrong[0])
        notes += (
            f"{sample.name}: {some} and count as bad cells, such as {first}; to take them as "
            f"missing: missing: [{first}, …].",
        )
    if infinite := sum(isinstance(c, float) and np.isinf(c) for c in sample.present):
        of = f"{infinite} of {len(sample.present)}"
        notes += (
            f"{sample.name}: {of} cells are infinite and count as bad cells; leave them empty "
            "where there is no number.",
        )
    why += "".join(f"; {note}" for note in written.notes)
    if far := _stand_in(numbers):
        notes += (
            f"{sample.name}: {far:g} lies far from all other values; if it means that there is "
            f"none: missing: [{far:g}].",
        )
    if sample.is_whole and (what := dates_as_numbers(numbers)):
        notes += (
            f"{sample.name}: {numbers[0]:.0f} and the like look like {what}, and are read as plain "
            f"numbers; to test on the latest rows: split: {{time: {sample.name}}}.",
        )
    if tail := long_tail(numbers):
        return ColumnGuess(
            "number", f"{why}; {tail}", {**written.options, "log": True}, notes=notes
        )
    return ColumnGuess("number", why, dict(written.options), notes=notes)


def _stand_in(numbers: np.ndarray) -> float | None:
    """A number of nines, in several rows and far from all others, such as -999: a missing value."""
    for value in (float(numbers.min()), float(numbers.max())):
        others = numbers[numbers != value]
        if (
            set(f"{abs(value):g}") != {"9"}
            or abs(value) < 99
            or not 20 <= len(others) < len(numbers) - 1
        ):
            continue
        spread = max(float(np.ptp(others)), 1.0)
        if min(abs(value - others.min()), abs(value - others.max())) > spread:
            return value
    return None


def long_tail(numbers: np.ndarray) -> str:
    """How the logarithm (for negative numbers the signed one) shortens a long tail; empty if it
    doesn't, or if there is none."""
    if len(numbers) < 20 or np.ptp(numbers) == 0:
        return ""
    logs = np.sign(numbers) * np.log1p(np.abs(numbers))
    before, after = _skewness(numbers), _skewness(logs)
    far, most = np.quantile(np.abs(numbers), [0.5, 0.99])
    if most < 3 * far:
        return ""
    below = numbers.min() < 0
    if numbers.min() <= 0 and _in_two_heaps(logs):
        return ""
    straight = abs(before) > 1.5 and abs(after) < min(1.1, 0.5 * abs(before))
    wide = not below and far > 0 and most > 20 * far
    if not straight and not wide:
        return ""
    return f"a long tail (skewness {before:.1f}, of the logarithms {after:.1f})"


def _skewness(numbers: np.ndarray) -> float:
    middle = numbers - numbers.mean()
    return float((middle**3).mean() / max(float(middle.std()) ** 3, 1e-300))


def _in_two_heaps(logs: np.ndarray) -> bool:
    """Zeros apart from the rest, or gains apart from losses: two points have a kurtosis of 1, a
    uniform distribution 1.8."""
    middle = logs - logs.mean()
    return bool((middle**4).mean() < 1.8 * (middle**2).mean() ** 2)
