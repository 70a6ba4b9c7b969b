"""A category cell -> the int32 index of its value."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from mmbm.columns import Cell, Description, State, Storage
from mmbm.config import CategorySpec, CategoryTarget
from mmbm.errors import BadCell, ConfigError

CHOICES = 100
"""Values that a form or a schema lists."""

# What pandas writes for the whole numbers of a column with gaps; not 007.0, which is a code.
_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0+", re.ASCII)
_TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}


def name(cell: Cell) -> str | None:
    """The one spelling of a value: 3, 3.0 and "3" are "3", True is "true"; None if absent.

    Raises BadCell for what is no single value.
    """
    if cell is None:
        return None
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating):
        if math.isnan(cell):
            return None
        return str(int(cell)) if cell == int_or_nan(cell) else repr(float(cell))
    if isinstance(cell, int | np.integer):
        return str(int(cell))
    if isinstance(cell, bytes):
        try:
            cell = cell.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadCell("is bytes that are not UTF-8 text") from error
    if not isinstance(cell, str):
        raise BadCell(f"is a {type(cell).__name__}, not one value")
    text = unicodedata.normalize("NFC", cell).strip()
    whole = _WHOLE.fullmatch(text)
    return (whole[1] if whole else _TRUTH.get(text, text)) or None


def marks(missing: Iterable[str]) -> frozenset[str]:
    """Names of the values that mean that there is none (`missing` of a column's options)."""
    return frozenset(filter(None, map(name, missing)))


def int_or_nan(value: float) -> float:
    """`value` without its fraction; NaN where a float no longer tells whole numbers apart."""
    return float(math.trunc(value)) if abs(value) < 2**53 else math.nan


class CategoryColumn:
    """One value out of those seen in training -> int32: 1, 2, … by name; 0 is unseen or rare.

    State: `values` (sorted), `counts` (rows of each in train), `rare` (rows of values below
    `min_count`).
    """

    version = 1

    def __init__(self, spec: CategorySpec | CategoryTarget, state: State | None = None):
        self.spec = spec
        self.storage = Storage("int32", ())
        self.state: State = state or {}
        self._index = _index(self.state)
        self._missing = marks(spec.missing)

    def fit(self, cells: Iterable[Cell]) -> State:
        """Count the values. Raises ConfigError when there are more than `max_values`."""
        counts: Counter[str] = Counter()
        for cell in cells:
            try:
                value = name(cell)
            except BadCell:
                continue  # the quarantine tells of it when the cell is decoded
            if value is not None and value not in self._missing:
                counts[value] += 1
                if len(counts) > self.spec.max_values:
                    raise ConfigError(
                        f"more than {self.spec.max_values} different values: it looks like text or "
                        "an identifier. Use kind: text, leave it out, or raise max_values."
                    )
        kept = sorted(v for v, n in counts.items() if n >= self.spec.min_count)
        self.state = {
            "values": kept,
            "counts": [counts[value] for value in kept],
            "rare": sum(n for n in counts.values() if n < self.spec.min_count),
        }
        self._index = _index(self.state)
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> int32 []; None if absent. Raises BadCell."""
        value = name(cell)
        if value is None or value in self._missing:
            return None
        return np.asarray(self._index.get(value, 0), dtype=np.int32)

    def describe(self) -> Description:
        values = self.state.get("values", [])
        listed: dict[str, Any] = {"type": "string"}
        if values:
            listed["enum" if len(values) <= CHOICES else "examples"] = values[:CHOICES]
        return Description(listed, None, "choice")


def _index(state: State) -> dict[str, int]:
    return {value: i for i, value in enumerate(state.get("values", []), start=1)}
