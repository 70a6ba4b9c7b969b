"""Detect unclosed quotes: a quote that is closed only rows later merges these rows into one cell.

Such a cell has whole rows inside: lines with as many cells as the table, whose values are those of
its columns. Lines of a genuine multi-line text don't look like that.
"""

import csv
import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mmbm.console import heartbeat
from mmbm.data.readers.layout import Layout, dialect
from mmbm.errors import BadCell, TableError
from mmbm.kinds.number.column import parse

LOOKED_AT = 2000
"""Cells of a column that determine its usual values."""


def check_swallowed(path: Path, batch: pa.RecordBatch, layout: Layout, before: int) -> None:
    """Raises TableError that names the row, if a cell has swallowed others. `before` are the rows
    of earlier batches."""
    if batch.num_columns < 2:
        return
    usual: dict[int, set[str] | None] = {}
    for place, column in enumerate(batch.columns):
        for row in _several(column):
            cell = column[row].as_py()
            inside = _rows_inside(cell, layout)
            if (inside and _alike(inside, batch, usual)) or _ends_a_row(
                cell, place, layout, batch, usual
            ):
                raise _late(path, before + row + 2, cell.count("\n"))


def check_header_again(path: Path, batch: pa.RecordBatch, before: int) -> None:
    """Raises TableError at a row that repeats the header."""
    names = batch.schema.names
    if len(names) < 2 or not names[0].isprintable():
        return
    literal = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", names[0])  # RE2 knows no other escapes
    options = pc.MatchSubstringOptions(f"^{literal}$")
    for row in _places("match_substring_regex", batch.column(0), options):
        if [column[row].as_py() for column in batch.columns] == names:
            raise TableError(
                f"{path}: row {before + row + 2} of the file repeats the header: two files were "
                "joined. Delete that row."
            )


def has_lines(batch: pa.RecordBatch) -> bool:
    """Whether a cell has several lines."""
    return any(map(_several, batch.columns))


def _several(column: pa.Array) -> list[int]:
    """The rows whose cells have several lines."""
    return _places("match_substring", column, pc.MatchSubstringOptions("\n"))


def _places(function: str, column: pa.Array, options: Any) -> list[int]:
    """Indices of the true rows. (Through numpy or a scalar, Arrow would import pandas.)"""
    found = pc.call_function(function, [column], options)
    return pc.call_function("indices_nonzero", [found]).to_pylist()


def check_quotes(path: Path, encoding: str, layout: Layout) -> None:
    """Raises TableError at a cell of several lines whose closing quote has text behind it: two
    quotes that don't belong together. Takes another pass over the file, if it has such cells."""
    with path.open(encoding=encoding, newline="") as file:
        for _ in range(layout.skip):
            file.readline()
        form = dialect(layout.delimiter, layout.escape, layout.quote)
        reader = csv.reader(file, strict=True, **form)
        for row in heartbeat(itertools.count(1), f"Quotes checked in rows of {path.name}"):
            start = reader.line_num
            try:
                next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                lines = reader.line_num - start
                if "expected after" in str(error) and lines > 1:
                    raise _late(path, row, lines - 1) from error
                if "field larger" in str(error):
                    return  # an image in a cell: Arrow has read what follows it


def unclosed(row: str, how: str) -> str:
    return (
        f'{row} of the file (the header is row 1) opens a quote (") that {how}. Close it, or '
        "double a quote that is meant literally; where quotes are letters like others: --no-quote, "
        "data.quote: false."
    )


def _late(path: Path, row: int, lines: int) -> TableError:
    how = f"is closed only on a later line ({lines} on), so that several rows become one cell"
    return TableError(f"{path}: {unclosed(f'row {row}', how)}")


def _rows_inside(cell: str, layout: Layout) -> list[list[str]]:
    """The lines between the first and the last, if they are rows of the table."""
    lines = cell.splitlines()[1:-1]
    try:
        rows = list(csv.reader(lines, **dialect(layout.delimiter, layout.escape, False)))
    except csv.Error:
        return []
    whole = [row for row in rows if len(row) == len(layout.names)]
    return whole if len(whole) >= 0.8 * len(rows) else []


def _ends_a_row(
    cell: str, place: int, layout: Layout, batch: pa.RecordBatch, usual: dict[int, set[str] | None]
) -> bool:
    """The first line is the rest of a row from here on, two usual values at least."""
    rest = cell.splitlines()[0].split(layout.delimiter)[1:]
    if len(rest) < 2 or place + 1 + len(rest) != len(layout.names):
        return False
    return all(_is_usual(v, i, batch, usual) for i, v in enumerate(rest, start=place + 1))


def _is_usual(
    value: str, place: int, batch: pa.RecordBatch, usual: dict[int, set[str] | None]
) -> bool:
    if place not in usual:
        usual[place] = _usual(batch.column(place))
    known = usual[place]
    value = value.strip().strip('"')
    return _is_number(value) if known is None else value in known


def _alike(rows: list[list[str]], batch: pa.RecordBatch, usual: dict[int, set[str] | None]) -> bool:
    """In some column most of the inner values are usual ones."""
    for place in range(min(batch.num_columns, 100)):
        if sum(_is_usual(row[place], place, batch, usual) for row in rows) >= 0.8 * len(rows):
            return True
    return False


def _usual(column: pa.Array) -> set[str] | None:
    """Values that occur several times; None where all are numbers."""
    cells = [cell for cell in column.slice(0, LOOKED_AT).to_pylist() if cell and "\n" not in cell]
    if len(cells) >= 3 and all(map(_is_number, cells)):
        return None
    counts = Counter(cell.strip() for cell in cells)
    return {cell for cell, count in counts.items() if count > 1}


def _is_number(text: str) -> bool:
    try:
        return parse(text) is not None
    except BadCell:
        return False
