"""A sample of a column's cells, spread over the table: the input of kind inference."""

import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmbm.cells.media import is_encoded
from mmbm.cells.notation import Notation
from mmbm.errors import BadCell
from mmbm.kinds.category.column import name as name_of
from mmbm.kinds.column import Cell
from mmbm.kinds.number import written
from mmbm.kinds.number.column import parse
from mmbm.kinds.opened import Files, open_some

if TYPE_CHECKING:
    from mmbm.data.table import Table

ROWS = 20_000
"""Enough to see a value that one row in a thousand has; read in about a second."""
BIG_CELL, BIG_ROWS = 4000, 200
"""If the cells are larger in total (images inside the table), the number of rows instead."""
MANY = 20
"""Distinct numbers from which a column isn't inferred as classes."""
LONGEST = 4000
"""Characters of a text that are examined."""


class Sample:
    """Cells of one column at `rows`; derived values are computed once, on first use."""

    def __init__(self, table: "Table", name: str, rows: np.ndarray):
        if table.column(name).nbytes / table.rows > BIG_CELL:
            rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), BIG_ROWS)).astype(int)]
        self.name = name
        self.source = table.source
        self.rows = rows
        self.root: Path = table.root
        self.whole = len(rows) == table.rows
        cells = table.cells(name, rows)
        self.cells: list[Cell] = [_beginning(c) if isinstance(c, str) else c for c in cells]

    def at(self, places: np.ndarray) -> "Sample":
        """Some of its cells."""
        some = copy.copy(self)
        kept = {"name": self.name, "source": self.source, "root": self.root, "whole": False}
        cells = [self.cells[i] for i in places.tolist()]
        some.__dict__ = {**kept, "rows": self.rows[places], "cells": cells}
        return some

    @cached_property
    def fingerprint(self) -> int:
        """A key that is equal for columns with the same value in every row."""
        return hash(tuple(self.keys))

    @cached_property
    def keys(self) -> list[str | None]:
        """The value of each cell as a category names it; None if absent or no single value."""
        return [_key(cell) for cell in self.cells]

    @cached_property
    def present(self) -> list[Cell]:
        return [cell for cell in self.cells if not is_blank(cell)]

    @cached_property
    def values(self) -> list[str]:
        return [key for key in self.keys if key is not None]

    @cached_property
    def distinct(self) -> int:
        return len(set(self.values))

    @cached_property
    def written(self) -> written.Written:
        """The notation of its numbers, if it has any."""
        return written.find(self.present)

    @cached_property
    def numbers(self) -> np.ndarray:
        """float64, one for each cell; NaN where it is no number."""
        notation = self.written.notation
        return np.array([_number(cell, notation) for cell in self.cells])

    @cached_property
    def wrong(self) -> list[str]:
        """Texts in a column of numbers that are neither numbers nor missing values."""
        notation = self.written.notation
        return [c.strip() for c in self.present if isinstance(c, str) and _is_wrong(c, notation)]

    @cached_property
    def is_number(self) -> bool:
        """Nearly every cell that isn't blank is a number, or most are and they have many distinct
        values; 007 and truth values don't count."""
        found = np.isfinite(self.numbers).sum()
        codes = sum(
            isinstance(c, bool) or (isinstance(c, str) and _is_code(c.strip()))
            for c in self.present
        )
        if not found or codes >= (1 - written.NEARLY) * found:
            return False
        others = sum(not isinstance(c, str | int | float) for c in self.present)
        wrong = (len(self.wrong) + others) / (found + len(self.wrong) + others)
        if wrong <= 1 - written.NEARLY:
            return True
        many = len(np.unique(self.numbers[np.isfinite(self.numbers)])) > MANY
        return bool(wrong <= 1 - written.LARGELY and many)

    @cached_property
    def is_whole(self) -> bool:
        """All numbers are integers."""
        return self.is_number and bool((self.finite == np.rint(self.finite)).all())

    @property
    def finite(self) -> np.ndarray:
        """Its numbers, without missing values."""
        return self.numbers[np.isfinite(self.numbers)]

    @cached_property
    def files(self) -> Files:
        """Properties of some of the files that its cells name or hold."""
        return open_some(self)

    def part(self, *types: type) -> float:
        """Of the cells that aren't blank, those of these types."""
        return sum(isinstance(c, types) for c in self.present) / max(1, len(self.present))

    @property
    def repeats(self) -> float:
        """Mean number of rows of one value."""
        return len(self.values) / max(1, self.distinct)


def sample_rows(rows: int) -> np.ndarray:
    """Sorted row numbers: all, or `ROWS` drawn with a fixed seed (a grid could fall in step)."""
    if rows <= ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, ROWS, replace=False))


def is_blank(cell: Cell) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def _is_code(text: str) -> bool:
    return len(text) > 1 and text[0] == "0" and text.isdigit()


def _key(cell: Cell) -> str | None:
    try:
        return name_of(cell)
    except BadCell:
        return None


def _number(cell: Cell, notation: Notation) -> float:
    try:
        value = parse(cell, notation)
    except BadCell:
        return np.nan
    return np.nan if value is None else value


def _is_wrong(cell: str, notation: Notation) -> bool:
    try:
        notation.read(cell)
    except BadCell:
        return True
    return False


_OPENING = tuple("[{(")


def _is_table(text: str) -> bool:
    """Its first lines have equally many commas or other delimiters."""
    first, second = [*text.split("\n", 2), ""][:2]
    return any(first.count(mark) == second.count(mark) > 0 for mark in ",;\t|")


def _beginning(text: str) -> str:
    """Media, lists and tables inside the cell need all of it."""
    inside = text[:5].lower() == "data:" or is_encoded(text) or text.lstrip()[:1] in _OPENING
    inside = inside or (len(text) > LONGEST and _is_table(text))
    return text if inside else text[:LONGEST]
