"""Infer vector columns: lists of numbers that all have one length."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mmbm.cells.arrays import numbers
from mmbm.cells.lists import is_list
from mmbm.errors import BadCell
from mmbm.kinds.guess import MOSTLY, ColumnGuess
from mmbm.kinds.vector.spec import LONGEST

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

NEARLY = 0.95
"""Fraction of the cells that must have the same length."""


def infer(sample: "Sample") -> ColumnGuess | None:
    cells = [cell for cell in sample.present if _may_be(cell)]
    if not cells or len(cells) < MOSTLY * len(sample.present):
        return None
    vectors = [vector for vector in map(_numbers, cells) if vector is not None]
    lengths = Counter(map(len, vectors))
    if len(vectors) < MOSTLY * len(cells):
        return None
    length, count = lengths.most_common(1)[0]
    if count < NEARLY * len(vectors) or not _are_measures([v for v in vectors if len(v) == length]):
        return None
    notes = ()
    if bad := len(cells) - count:
        notes = (f"{sample.name}: {bad} of {len(cells)} cells aren't {length} finite numbers and "
                 "count as bad cells.",)  # fmt: skip
    why = f"vectors of {length} numbers (embeddings?); kind: series if they are steps in time"
    return ColumnGuess("vector", why, {"group": sample.name}, notes=notes)


def _may_be(cell: Any) -> bool:
    return isinstance(cell, list) or (isinstance(cell, str) and is_list(cell))


def _numbers(cell: Any) -> np.ndarray | None:
    try:
        vector = numbers(cell, LONGEST)
    except BadCell:
        return None
    return vector if len(vector) and np.isfinite(vector).all() else None


def _are_measures(vectors: list[np.ndarray]) -> bool:
    """Not labels that are whole numbers: fractions, zeros and ones, or many distinct numbers."""
    values, length = np.unique(np.concatenate(vectors)), len(vectors[0])
    if length < 2 or len(values) == 1:
        return False
    if (values != np.rint(values)).any():
        return True
    if set(values.tolist()) <= {0, 1}:
        return length > 2
    return length > 3 and len(values) > 2 * length
