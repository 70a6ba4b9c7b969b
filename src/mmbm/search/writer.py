"""A table's rows as record batches of an index: kept columns and embeddings."""

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmbm.console import say
from mmbm.data.prepare import resolved
from mmbm.data.store import parallel
from mmbm.data.table import Table
from mmbm.errors import BadCell, TableError
from mmbm.files import written
from mmbm.inference.predict import CHUNK, Decoded, decode_row, encode
from mmbm.inference.predictor import Predictor
from mmbm.kinds.column import Cell
from mmbm.kinds.number.column import parse

ROW = "mmbm_row"
"""Its field of row numbers, 1 the first. (Names of fields can't have a dot.)"""


class About(NamedTuple):
    """What an index is of."""

    bundle: str  # its version
    path: str  # where it was
    target: str
    columns: list[str]  # of the contrastive target
    indexed: list[str]  # those of them that the table has
    shown: dict[str, str]  # column of the table -> field
    source: str
    rows: int


def fields(table: Table) -> dict[str, pa.Field]:
    """The columns that an index keeps, as its fields: texts, numbers and truth values. The cells of
    a csv are texts, so a column of numbers becomes one here. Raises TableError."""
    kept: dict[str, pa.Field] = {}
    untyped = Path(table.source).suffix.lower() in (".csv", ".tsv", ".txt")
    for name in table.names:
        kind = table.column(name).type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            kind = numbers(table.cells(name)) if untyped else pa.string()
        elif not (pa.types.is_boolean(kind) or is_number(kind)):
            continue  # bytes and lists
        field = name.replace(".", "_")
        if any(field.lower() == other.name.lower() for other in kept.values()):
            other = next(n for n, one in kept.items() if one.name.lower() == field.lower())
            raise TableError(
                f"{table.source}: columns {other!r} and {name!r} would be one field of the index, "
                "where names have no dots and no capitals: rename one of them."
            )
        if "`" in field:
            raise TableError(
                f"{table.source}: column {name!r}: a name with a backtick can't be asked for; "
                "rename it."
            )
        if field.startswith("mmbm_"):
            raise TableError(f"{table.source}: column {name!r}: an index has such names; rename it")
        kept[name] = pa.field(field, kind)
    return kept


def is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def numbers(cells: Iterable[Cell]) -> pa.DataType:
    """int64 or float64 if every cell that isn't empty is such a number, else string. What begins
    with a zero is a code."""
    whole, some = True, False
    for cell in cells:
        text = "" if cell is None else str(cell).strip()
        if not text:
            continue
        try:
            value = parse(text)
        except BadCell:
            return pa.string()
        if value is None:  # NA, or the like
            continue
        if len(text) > 1 and text[0] == "0" and text[1].isdigit():
            return pa.string()
        some, whole = True, whole and bool(re.fullmatch(r"-?\d{1,18}", text))
    return pa.string() if not some else pa.int64() if whole else pa.float64()


class Writer:
    """A table's rows as record batches, embedded chunk by chunk; `bad` lists those left out."""

    def __init__(self, bundle: Predictor, table: Table, about: About, shown: dict[str, pa.Field]):
        self.bundle, self.table, self.about, self.shown = bundle, table, about, shown
        self.bad: list[tuple[int, str, str, str]] = []  # row, column, path, reason
        inputs = bundle.config.inputs
        self.media = [column for column in about.indexed if inputs[column].is_media]
        width = bundle.config.contrastive[about.target].width
        self.schema = pa.schema(
            [
                pa.field(ROW, pa.int64()),
                *shown.values(),
                *(pa.field(path_of(about, column), pa.string()) for column in self.media),
                *(
                    pa.field(vector_of(about, column), pa.list_(pa.float32(), width))
                    for column in about.indexed
                ),
            ],
            metadata={"mmbm": json.dumps(about._asdict(), ensure_ascii=False)},
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        cells = zip(*(self.table.cells(column) for column in self.about.indexed))
        numbered = enumerate((dict(zip(self.about.indexed, row)) for row in cells), 1)
        chunks = iter(lambda: list(islice(numbered, CHUNK)), [])
        for chunk in parallel(self._decode, chunks):
            good = [one for one in chunk if self._is_good(*one)]
            if good:
                yield self._batch(good)

    def _decode(self, rows: list) -> list[tuple[int, dict[str, Cell], Decoded]]:
        return [(i, row, decode_row(self.bundle, row, self.table.root)) for i, row in rows]

    def _is_good(self, number: int, row: dict[str, Cell], decoded: Decoded) -> bool:
        if decoded.error:
            column = decoded.column or ""
            place = resolved(row[column], self.table) if column in self.media else ""
            reason = decoded.error.removeprefix(f"{column}: ")
            self.bad.append((number, column, place, reason))
            return False
        if all(decoded.cells[column] is None for column in self.about.indexed):
            columns = ", ".join(self.about.indexed)
            self.bad.append((number, columns, "", "are empty: there is nothing to find it by"))
            return False
        return True

    def _batch(self, good: list[tuple[int, dict[str, Cell], Decoded]]) -> pa.RecordBatch:
        encoded = encode(self.bundle, [decoded for *_, decoded in good])
        z = self.bundle.runner.run("answer", encoded)[self.about.target]  # [B, M, D]
        rows = np.array([number for number, *_ in good]) - 1
        arrays: list[Any] = [pa.array(rows + 1)]
        for name, field in self.shown.items():
            arrays.append(typed(list(self.table.cells(name, rows)), field.type))
        for column in self.media:
            arrays.append(
                pa.array([resolved(row[column], self.table) or None for _, row, _ in good])
            )
        for column in self.about.indexed:
            vectors = z[:, self.about.columns.index(column)]
            there = [decoded.cells[column] is not None for *_, decoded in good]
            named = [v if has else None for v, has in zip(vectors, there)]
            arrays.append(pa.array(named, self.schema.field(vector_of(self.about, column)).type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def typed(cells: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):  # an image as a data URI is no text to show or to filter by
        cells = [None if c is None or c[:5].lower() == "data:" else c for c in cells]
    elif is_number(kind):
        cells = [_number(cell, pa.types.is_integer(kind)) for cell in cells]
    return pa.array(cells, kind)


def _number(cell: Any, whole: bool) -> int | float | None:
    """A cell of a csv is text here, one of another table a number; NaN is an absent one."""
    if isinstance(cell, str):
        value = parse(cell)
        return value if value is None or not whole else int(cell.strip())
    return None if cell is None or math.isnan(cell) else cell


def quarantine(output: str | Path, bad: list[tuple[int, str, str, str]]) -> None:
    """One line per row left out, as training writes it; and a sentence."""
    folder = Path() if remote(output) else Path(output)
    path = folder / "quarantine.csv"
    with written(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["row", "column", "path", "reason"], *bad])
    if bad:
        row, column, _, reason = bad[0]
        say(
            f"{len(bad)} rows are not in the index; the first is row {row}, {column}: {reason}. "
            f"All are listed in {path}."
        )


def path_of(about: About, column: str) -> str:
    return f"mmbm_path_{about.columns.index(column)}"


def vector_of(about: About, column: str) -> str:
    return f"mmbm_vector_{about.columns.index(column)}"


def remote(path: str | Path) -> bool:
    return "://" in str(path)
