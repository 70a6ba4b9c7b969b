"""Count and name values of category and labels columns that training never saw.

The model maps such a cell to the vector of an unseen value, or ignores it, and its confidence may
stay high; so these values are reported instead of only lowering the score.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from mmbm.config import Config
from mmbm.data.store import ColumnStore
from mmbm.data.table import Table
from mmbm.errors import BadCell
from mmbm.kinds.category.column import CategoryColumn
from mmbm.kinds.column import Cell, Column, Columns, HasVocabulary

NAMED = 5
"""Values that a message names."""


class Found(NamedTuple):
    """The cells of one column that hold a value training never saw."""

    rows: np.ndarray  # their row numbers
    first: str
    values: list[str]  # the most frequent first


def unseen(column: Column, cell: Cell) -> list[str]:
    """The values of a cell that training never saw; none of a column of another kind."""
    if not isinstance(column, HasVocabulary):
        return []
    try:
        return column.unseen(cell)
    except BadCell:  # the quarantine, or the row's error, reports it
        return []


class Tally:
    """Counts unseen values of rows that arrive one by one."""

    def __init__(self, columns: Columns, names: Iterable[str]):
        found = {name: columns[name] for name in names}
        self.columns = {
            n: column for n, column in found.items() if isinstance(column, HasVocabulary)
        }
        self.rows = 0
        self.cells: Counter[str] = Counter()
        self.first: dict[str, tuple[int, str]] = {}

    def add(self, found: Iterable[tuple[str, str]]) -> None:
        """Add a row, by (column, value) of its unseen values."""
        self.rows += 1
        for name, value in found:
            self.cells[name] += 1
            self.first.setdefault(name, (self.rows, value))

    def sentences(self) -> list[str]:
        return [
            input_sentence(name, count, self.rows, *self.first[name], self.columns[name])
            for name, count in self.cells.items()
        ]


def input_sentence(
    name: str, count: int, total: int, row: int, value: str, column: Column, split: str = ""
) -> str:
    """`row` counts from 1."""
    where = f"{split} " if split else ""
    return (
        f"{count} of {total} {where}cells of column {name!r} hold values that training never "
        f"saw{often(column)} (first: row {row}, {value[:60]!r})."
    )


def cell_sentence(name: str, value: str, column: Column) -> str:
    """Of one row."""
    what = f"a value that training never saw{often(column)}: {value[:60]!r}"
    return f"The cell of column {name!r} holds {what}."


def often(column: Column) -> str:
    least = getattr(column, "spec").min_count  # noqa: B009  # of a category or labels column
    return f" (or in fewer than min_count={least} rows)" if least > 1 else ""


def notes(
    config: Config,
    table: Table,
    columns: Columns,
    stores: dict[str, ColumnStore],
    rows: dict[str, np.ndarray],
) -> list[str]:
    """Messages on the rows of valid and test: unseen values of inputs, unseen classes of targets.
    `rows` are named by their split."""
    said = []
    for name in [*config.inputs, *config.targets]:
        column = columns.get(name)
        if not isinstance(column, HasVocabulary):
            continue
        for split, some in rows.items():
            present = some[stores[name].present[some]]
            found = look(name, column, table, stores[name], present)
            if found is None:
                continue
            if name in config.inputs:
                count, row = len(found.rows), int(found.rows[0]) + 1
                said.append(
                    input_sentence(name, count, len(present), row, found.first, column, split)
                )
            else:
                said.append(target_sentence(config, name, found, len(present), split))
    return said


def target_sentence(config: Config, name: str, found: Found, total: int, split: str) -> str:
    named = ", ".join(value[:60] for value in found.values[:NAMED])
    more = "…" if len(found.values) > NAMED else ""
    what = "labels" if config.targets[name].task == "multilabel" else "classes"
    verb = "have" if what == "labels" else "are of"
    rows = f"{split} rows" if split else "rows"
    least = config.targets[name].min_count  # type: ignore[attr-defined]
    nobody = f"fewer than {least} train rows have" if least > 1 else "no train row has"
    wrong = "they can't be answered" if what == "labels" else "every answer to them is wrong"
    return (
        f"{name!r}: {len(found.rows)} of {total} {rows} {verb} {what} that {nobody} "
        f"({named}{more}): {wrong}."
    )


def look(
    name: str,
    column: HasVocabulary,
    table: Table,
    store: ColumnStore,
    rows: np.ndarray,
) -> Found | None:
    if isinstance(column, CategoryColumn):  # prepared as 0: no cell needs to be read twice
        rows = rows[store.gather(rows).values == 0]
    values: Counter[str] = Counter()
    places = []
    for row, strange in _strange(name, column, table, rows):
        places.append(row)
        values.update(strange)
    if not places:
        return None
    first = column.unseen(next(table.cells(name, np.array(places[:1]))))[0]
    return Found(np.array(places), first, [value for value, _ in values.most_common()])


def _strange(
    name: str, column: HasVocabulary, table: Table, rows: np.ndarray
) -> Iterator[tuple[int, list[str]]]:
    for row, cell in zip(rows.tolist(), table.cells(name, rows)):
        if strange := unseen(column, cell):
            yield row, strange
