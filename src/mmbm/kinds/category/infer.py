"""Infer category columns: codes, repeated words, classes of a target."""

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmbm.kinds.category import words
from mmbm.kinds.category.codes import (
    CLASSES,
    NAMED,
    are_classes,
    are_codes,
    least_count,
    may_be_classes,
)
from mmbm.kinds.guess import ColumnGuess, Options, show

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

UNEVEN, TIMES = 2 / 3, 10
"""Share of the most frequent class, or its ratio to the rarest class, from which accuracy is
uninformative."""
LONGEST = 40
"""Mean characters per value: longer values are text."""
MOST = 1000
"""Distinct words: more are text."""


def infer(sample: "Sample") -> ColumnGuess | None:
    if sample.is_number:
        reason = are_codes(sample)
        return _codes(sample, reason) if reason else None
    texts = sample.values
    counts = Counter(texts)
    if len(counts) > MOST or np.mean([len(text) for text in texts]) > LONGEST:
        return None
    often = sample.repeats >= 5 or len(counts) <= 10
    if not often and not (sample.repeats >= 2 and _are_names(texts)):
        return None
    if len(counts) > 50 and np.mean([len(text.split()) for text in counts]) >= 1.5:
        return None  # phrases
    missing = words.missing(sample.name, counts)
    least = least_count(counts)
    options: Options = {"min_count": least} if least > 1 else {}
    options |= _marked(missing.marks)
    left, notes = _spelled(sample.name, counts, missing.marks, missing.note)
    why = f"{len(left)} values, such as {_most(left)}"
    return ColumnGuess("category", why, options, notes=notes)


def infer_target(sample: "Sample") -> ColumnGuess | None:
    """The comment and the report explain how to choose a number instead."""
    if not sample.is_number:
        many = sample.repeats < 1.5 and sample.distinct > CLASSES
        return None if many else _classes(sample)
    values, counts = np.unique(sample.finite, return_counts=True)
    if not may_be_classes(sample, len(values)):
        return None
    reason = are_classes(sample.name, values, counts)
    if not reason:
        return None
    classes = _classes(sample)
    if len(values) == 2:
        return classes
    notes = classes.notes
    if reason != NAMED:
        note = f"{sample.name}: {len(values)} whole numbers are taken for classes ({reason})"
        notes += (f"{note}; kind: number if their size counts.",)
    why = f"{classes.why}; kind: number if their size counts"
    return replace(classes, why=why, notes=notes)


def _classes(sample: "Sample") -> ColumnGuess:
    counts = Counter(sample.values)
    found = words.missing(sample.name, counts, of_numbers=sample.is_number)
    marks = found.marks if len(counts) - len(found.marks) > 1 else []
    counts, notes = _spelled(sample.name, counts, marks, found.note)
    left = [(v, n) for v, n in counts.most_common() if v not in marks]
    (top, most), (last, least) = left[0], left[-1]
    why = f"{len(left)} classes"
    if most > 1.5 * least:
        why += f", from {show(last)} ({least} rows) to {show(top)} ({most})"
    rows = sum(n for _, n in left)
    if most >= UNEVEN * rows or most >= TIMES * least:
        uneven = f"uneven classes: {show(top)} has {most / rows:.0%}"
        uneven += f", {show(last)} {least / rows:.1%}" if most < UNEVEN * rows else ""
        why += f"; {uneven}"
        monitor = f"`train: {{monitor: {sample.name}.balanced_accuracy}}`"
        decides = "decides for balanced accuracy (see `decision`)"
        notes += (f"{sample.name}: {uneven}; {monitor} {decides}.",)
    return ColumnGuess("category", why, _marked(marks), notes=notes)


def _spelled(
    name: str, counts: Counter[str], marks: list[str], note: str
) -> tuple[Counter[str], tuple[str, ...]]:
    """The values without the marks of absence, and irregularities in how they are written."""
    left = Counter({v: n for v, n in counts.items() if v not in marks})
    left, truths = words.truths(name, left)
    odd = (note, truths, words.spellings(name, left), words.mojibake(name, left))
    return left, tuple(filter(None, odd))


def _marked(marks: list[str]) -> Options:
    return {"missing": marks} if marks else {}


def _codes(sample: "Sample", reason: str) -> ColumnGuess:
    """Whole numbers that are identifiers rather than quantities."""
    counts = Counter(sample.values)
    marks = words.missing(sample.name, counts, of_numbers=True).marks
    marks += [mark for mark in sample.written.options.get("missing", []) if mark not in marks]
    left = Counter({value: n for value, n in counts.items() if value not in marks})
    least = least_count(left)
    options = ({"min_count": least} if least > 1 else {}) | _marked(marks)
    why = f"{len(left)} codes, such as {_most(left)}; kind: number if their size counts"
    note = f"{sample.name}: {len(left)} whole numbers are taken for codes ({reason})"
    notes = (f"{note}; kind: number if their size counts.",)
    return ColumnGuess("category", why, options, notes=notes)


def _are_names(texts: list[str]) -> bool:
    """Short words with a digit in each, as of codes: c17, shop-4."""
    return all(len(t) <= 16 and " " not in t and any(c.isdigit() for c in t) for t in texts)


def _most(counts: Counter[str]) -> str:
    return ", ".join(show(value) for value, _ in counts.most_common(3))
