"""Table files and tables from Python -> Arrow batches of plain types.

A csv is read as text throughout: 007 stays 007, and what a column means is decided by its kind, not
by its spelling. Each reader gives a schema and the batches, which are read as they are asked for.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from mmbm.errors import TableError
from mmbm.read.arrow import read_arrow, read_parquet
from mmbm.read.csv import read_csv
from mmbm.read.jsonl import read_jsonl
from mmbm.read.plain import check_names, plain_table
from mmbm.read.python import from_python

__all__ = ["check_names", "from_python", "plain_table", "reader"]

Batches = tuple[pa.Schema, Iterator[pa.RecordBatch]]
Reader = Callable[[Path, str | None, str | None], Batches]
"""(path, encoding, delimiter) -> batches; the last two matter to text only."""

_READERS: dict[str, Reader] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_jsonl,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}


def reader(path: Path) -> Reader:
    """The function that reads this kind of file. Raises TableError."""
    if path.is_dir():
        raise TableError(f"{path}: is a folder, not a table.")
    if not path.exists():
        raise TableError(f"{path}: there is no such file.")
    found = _READERS.get(path.suffix.lower())
    if found is None:
        raise TableError(
            f"{path}: unknown kind of table {path.suffix!r}. mmbm reads {', '.join(_READERS)}."
        )
    if path.stat().st_size == 0:
        raise TableError(f"{path}: is empty (0 bytes).")
    return found
