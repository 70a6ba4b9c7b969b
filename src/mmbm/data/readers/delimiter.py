"""The delimiter of a csv: the one that gives the most columns, the same number in most rows."""

import csv
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from mmbm.errors import TableError

USUAL = ",;\t|"
RARE = "^~\x1f\x1e\x01"
"""Hardly ever inside a cell: chosen, and reported, if all rows have them."""
DOUBTFUL = ":#!*&%@+=§¦·¤"
"""Also inside cells (12:30): chosen if the header has as many of them as the rows. Not - _ /, which
occur in names of columns and files."""
ROWS = 60
"""Number of rows that are examined."""


class Delimiter(NamedTuple):
    mark: str
    note: str = ""


class Fit(NamedTuple):
    """Fit of a delimiter; greater is better."""

    steady: bool  # nearly all rows have as many cells
    columns: int
    rows: int


NONE = Fit(False, 0, 0)


def find(path: Path, lines: list[str], said: str | None) -> Delimiter:
    """`said` is the delimiter of a first line `sep=;`. Raises TableError: it seems wrong,
    or the delimiter is ambiguous and must be named."""
    if path.suffix.lower() == ".tsv" and said is None:
        return Delimiter("\t")
    best = max(USUAL, key=lambda mark: fit(lines, mark))
    if said is not None:
        found = fit(lines, best)
        if fit(lines, said).columns < 2 and found.steady and found.columns > 1:
            raise TableError(
                f"{path}: its first line says sep={said}, but no row has {said!r}: its cells are "
                f"separated by {best!r}. Correct or delete that line, or say so: --delimiter "
                f"{_shell(best)}, data.delimiter."
            )
        return Delimiter(said)
    header = next((line for line in lines if line.strip()), "")
    there = fit(lines, best).columns > 1
    if there and best in header:
        return Delimiter(best)
    return _unusual(path, lines, header) or Delimiter(best if there else ",")


def fit(lines: list[str], mark: str) -> Fit:
    rows: list[list[str]] = []
    try:
        for row in islice(csv.reader(lines[:400], delimiter=mark), ROWS):
            rows.append(row)
    except csv.Error:  # a cell longer than this reader's limit: use the rows before it
        if not rows:
            return NONE
    counts = Counter(len(row) for row in rows if row)
    usual, often = max(counts.items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))
    return Fit(often >= 0.9 * counts.total(), usual, often) if usual > 1 else NONE


def _unusual(path: Path, lines: list[str], header: str) -> Delimiter | None:
    """A longer one that the header and all rows have: 1,5^a and not 1 | 5^a."""
    steady = {mark: found for mark in RARE + DOUBTFUL if (found := fit(lines, mark)).steady
              and found.rows > 2 and found.columns == header.count(mark) + 1}  # fmt: skip
    if not steady:
        return None
    mark = max(steady, key=lambda mark: steady[mark])
    if mark in RARE:
        note = f"{path}: its cells are separated by {mark!r}, so delimiter: {mark!r}."
        return Delimiter(mark, note)
    raise TableError(
        f"{path}: its header and its rows have {header.count(mark)} times {mark!r} each: if that "
        f"separates the cells, {_cure(mark)}; if it is a table of one column, --delimiter ','."
    )


def _cure(mark: str) -> str:
    if mark.isascii():
        return f"say so: --delimiter {_shell(mark)}, data.delimiter"
    return "save the table with commas or tabs (only ASCII characters separate cells)"


def _shell(mark: str) -> str:
    """In the form that is typed in a shell."""
    return "tab" if mark == "\t" else f"'{mark}'"
