import re

import numpy as np

from mmbm.errors import BadCell
from mmbm.kinds.column import Description, Storage
from mmbm.kinds.guess import ColumnGuess

NUMBER = r"[+-]?\d+(\.\d+)?"
POINT = re.compile(rf"\s*{NUMBER}\s*,\s*{NUMBER}\s*")


class PointColumn:
    """A cell "x, y" -> float64 [2]. State: `mean` and `std` of each coordinate."""

    version = 1
    not_decoding = frozenset()

    def __init__(self, spec, state=None):
        self.spec, self.state = spec, state or {}
        self.storage = Storage("float64", (2,))

    def fit(self, cells):
        points = []
        for cell in cells:
            try:
                point = self.decode(cell)
            except BadCell:
                continue
            if point is not None:
                points.append(point)
        known = np.array(points).reshape(-1, 2)
        empty = not len(known)
        self.state = {
            "mean": [0.0, 0.0] if empty else known.mean(0).tolist(),
            "std": [1.0, 1.0] if empty else np.maximum(known.std(0), 1e-6).tolist(),
        }
        return self.state

    def decode(self, cell):
        if cell is None or cell == "":
            return None
        parts = cell.split(self.spec.separator) if isinstance(cell, str) else []
        try:
            x, y = map(float, parts)
        except ValueError as error:
            raise BadCell(f"is no point such as 1.5, 2: {str(cell)[:40]!r}") from error
        if not np.isfinite([x, y]).all():
            raise BadCell("has an infinite coordinate")
        return np.array([x, y])

    def describe(self):
        return Description({"type": "string", "pattern": POINT.pattern}, None, "text")


def infer(sample):
    """Points, if all values are written as some."""
    if sample.values and all(POINT.fullmatch(value) for value in sample.values):
        return ColumnGuess("point", f"points of a plane, such as {sample.values[0]}")
    return None
