"""A cell of several labels -> uint8 multi-hot [N]."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from mmbm.cells.lists import items
from mmbm.cells.values import describe, is_labels
from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.category.column import CHOICES, marks, name, one_type, spelled
from mmbm.kinds.column import Cell, Description, State, Storage
from mmbm.kinds.labels.spec import LabelsSpec, LabelsTarget

MOST = 10_000
"""Maximum number of labels per cell."""
MAX_LABELS = 10_000
"""More are not labels, and a row of [N] would no longer be small."""


def parts(
    cell: Cell, separator: str, format: str = "separated", missing: frozenset[str] = frozenset()
) -> list[Any] | None:
    """The labels of a cell in the types they have there; None if the cell is absent.

    An empty string or list is present: it means that no label applies. Raises BadCell.
    """
    if isinstance(cell, bytes):
        try:
            cell = cell.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadCell("is bytes that are not UTF-8 text") from error
    if isinstance(cell, str):
        if missing and name(cell) in missing:
            return None
        listed = format == "list" and cell.strip()
        if not listed and cell.count(separator) >= MOST:
            raise BadCell(f"has more than {MOST:,} labels")
        return list(items(cell) if listed else cell.split(separator))
    if isinstance(cell, list | tuple | set | np.ndarray):
        if len(cell) > MOST:
            raise BadCell(f"has more than {MOST:,} labels")
        labels = list(cell)
        if not is_labels(labels):
            raise BadCell(f"is {describe(labels)}, not labels")
        return labels
    return None if name(cell) is None or name(cell) in missing else [cell]


def named(labels: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(label for part in labels if (label := name(part)) is not None))


class LabelsColumn:
    """Any number of labels -> uint8 [N], 1 where one is given. Unseen and rare ones are ignored.

    State: `values` (sorted), `counts` (rows of each in train), `rows` (rows present in train);
    `shown`, each in the type of most of its cells, where that isn't text.
    """

    version = 1
    not_decoding: ClassVar = frozenset({"counts", "shown"})

    def __init__(self, spec: LabelsSpec | LabelsTarget, state: State | None = None):
        self.spec = spec
        self._missing = marks(spec.missing)
        self._empty = [] if isinstance(spec, LabelsTarget) and spec.empty == "none" else None
        self._learn(state or {})

    def fit(self, cells: Iterable[Cell]) -> State:
        """Count the labels. Raises ConfigError when there are more than `MAX_LABELS`."""
        counts: Counter[str] = Counter()
        types: dict[str, Counter[type]] = {}
        rows = 0
        for cell in cells:
            try:
                found = self._parts(cell)
                labels = named(found or [])
            except BadCell:
                continue  # the quarantine reports it when the cell is decoded
            if found is None:
                continue
            rows += 1
            counts.update(labels)
            for part in found:
                if not isinstance(part, str | bytes) and (label := name(part)) is not None:
                    types.setdefault(label, Counter())[type(spelled(part))] += 1
            if len(counts) > MAX_LABELS:
                raise ConfigError(
                    f"more than {MAX_LABELS} different labels: it looks like text. Use kind: text, "
                    f"or check that labels are separated by {self.spec.separator!r}."
                )
        kept = sorted(label for label, n in counts.items() if n >= self.spec.min_count)
        learned: State = {"values": kept, "counts": [counts[k] for k in kept], "rows": rows}
        answers = one_type([_as(label, types.get(label)) for label in kept])
        self._learn(learned if answers == kept else {**learned, "shown": answers})
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> uint8 [N]; None if absent. Raises BadCell."""
        labels = self._split(cell)
        if labels is None:
            return None
        hot = np.zeros(self.storage.shape, dtype=np.uint8)  # [N]
        hot[[self._index[label] for label in labels if label in self._index]] = 1
        return hot

    def unseen(self, cell: Cell) -> list[str]:
        """The labels of a cell that training never saw. Raises BadCell."""
        return [label for label in self._split(cell) or [] if label not in self._index]

    def describe(self) -> Description:
        values = self.state.get("values", [])
        item: dict[str, Any] = {"type": "string"}
        if values:
            item["enum" if len(values) <= CHOICES else "examples"] = values[:CHOICES]
        return Description({"type": "array", "items": item, "uniqueItems": True}, None, "choices")

    def _parts(self, cell: Cell) -> list[Any] | None:
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return self._empty
        return parts(cell, self.spec.separator, self.spec.format, self._missing)

    def _split(self, cell: Cell) -> list[str] | None:
        found = self._parts(cell)
        return found if found is None else named(found)

    def _learn(self, state: State) -> None:
        self.state: State = state
        values = state.get("values", [])
        self._index = {value: i for i, value in enumerate(values)}
        self.storage = Storage("uint8", (len(values),))


def _as(label: str, types: Counter[type] | None) -> Any:
    """A label in the type that it has in most cells."""
    kind = types.most_common(1)[0][0] if types else str
    return label == "true" if kind is bool else kind(label)
