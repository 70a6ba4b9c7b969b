"""Positive groups of a contrastive target: which cells of a column are duplicates of each other.

A contrastive target has no cells of its own. Its value in a row is a key for each of its columns,
equal wherever the column has the same content: the same text, or media that decode to the same
array. 0 is an absent cell. Two rows that share a key are positives of each other.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mmbm.config import Config
from mmbm.data.store import ColumnStore
from mmbm.data.table import Table
from mmbm.errors import BadCell
from mmbm.kinds.category.column import name as name_of
from mmbm.kinds.column import Arrays, Cell
from mmbm.kinds.contrastive.spec import ContrastiveTarget, ZeroShotSpec
from mmbm.kinds.text.column import plain_text


class Classes(NamedTuple):
    """The classes of zero-shot classification."""

    names: list[str]  # of all rows of the table, sorted
    of_row: np.ndarray  # int64 [rows]; -1 where the cell is empty


class PositiveGroups:
    """Counterpart of a `ColumnStore` for a contrastive target: 8 bytes for each cell."""

    def __init__(self, name: str, values: np.ndarray, classes: Classes | None = None):
        self.name, self.values, self.classes = name, values, classes  # values int64 [rows, M]
        self.present = (values > 0).sum(1) > 1  # a single cell has no partner
        self.reasons: dict[int, str] = {}

    def gather(self, rows: np.ndarray) -> Arrays:
        return Arrays(self.values[rows], np.ones(len(rows), np.int64), self.present[rows])


def match_keys(
    config: Config, table: Table, stores: dict[str, ColumnStore]
) -> dict[str, PositiveGroups]:
    """The keys of every contrastive target of the config."""
    return {
        name: _keys(name, spec, config, table, stores) for name, spec in config.contrastive.items()
    }


def _keys(
    name: str, spec: ContrastiveTarget, config: Config, table: Table, stores: dict[str, ColumnStore]
) -> PositiveGroups:
    columns = []
    for column in spec.columns:
        store = stores[column]
        if config.inputs[column].alike == "text":
            numbers = _numbers(plain_text(cell) for cell in table.cells(column))
        else:
            numbers = np.unique(store.digests, return_inverse=True)[1] + 1
        columns.append(np.where(store.present, numbers, 0))
    made_of = ",".join(stores[column].name for column in spec.columns)
    classes = _classes(spec.zero_shot, table) if spec.zero_shot else None
    return PositiveGroups(f"{name}={made_of}", np.stack(columns, 1).astype(np.int64), classes)


def _numbers(texts: Iterable[str | None]) -> np.ndarray:
    """1 for the first text, and so on; equal texts have equal numbers."""
    known: dict[str | None, int] = {}
    return np.array([known.setdefault(text, len(known) + 1) for text in texts], np.int64)


def _classes(spec: ZeroShotSpec, table: Table) -> Classes:
    cells = [_name(cell) for cell in table.cells(spec.label_column)]
    names = sorted({cell for cell in cells if cell is not None})
    place = {name: i for i, name in enumerate(names)}
    return Classes(names, np.array([-1 if c is None else place[c] for c in cells], np.int64))


def _name(cell: Cell) -> str | None:
    try:
        return name_of(cell)
    except BadCell:
        return None
