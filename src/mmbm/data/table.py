"""Table: any source as memory-mapped Arrow; a column's cells as a stream, any row by its number.

A file is read once, batch by batch, into one Arrow IPC file that is memory-mapped from then on, so
that memory doesn't grow with the rows and every later pass is random access.

    csv · jsonl · parquet · arrow ──► read/*.py ──► batches ──► cache/DIGEST.arrow ──► Table
    pandas · polars · pyarrow · dict · list ────────────────────────────────────────────► Table

Rows are numbered from 0, the header not counted.
"""

import contextlib
import difflib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmbm import files
from mmbm.console import heartbeat, say
from mmbm.data import readers as read
from mmbm.data.readers.options import ReadOptions
from mmbm.errors import TableError
from mmbm.kinds.column import Cell

VERSION = 2
"""Raised when reading changes, so that the cache of an older version is not used."""
DECIDED = b"mmbm"
"""Metadata key of a copy: how its file was read."""
CHUNK_BYTES = 4_000_000
"""Cells become Python objects about this many bytes at a time."""


class Table:
    """Named columns of raw cells: text, numbers, bytes, lists. Dates are ISO text."""

    def __init__(
        self,
        data: pa.Table,
        *,
        source: str,
        root: Path,
        digest: str,
        read_with: dict[str, Any] | None = None,
        notes: tuple[str, ...] = (),
        folder: tempfile.TemporaryDirectory | None = None,
    ):
        read.check_names(data.column_names, source)
        if data.num_rows == 0:
            raise TableError(f"{source}: has no rows.")
        self.source = source
        self.root = root
        self.digest = digest
        self.read_with = read_with or {}
        """Options of `data` in a config that the caller gave, or that were detected."""
        self.notes = notes
        """Detected options as messages for the user: an encoding, lines above the header."""
        self.names: list[str] = data.column_names
        self._places = {name: i for i, name in enumerate(self.names)}
        self.rows: int = data.num_rows
        self._data = data
        self._folder = folder  # removed by close(), or when the table is garbage or Python exits

    def column(self, name: str) -> pa.ChunkedArray:
        """One column, not copied. Raises TableError that names the nearest column."""
        if name in self._places:
            return self._data.column(self._places[name])
        near = difflib.get_close_matches(name, self.names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(self.names[:20]) + (", …" if len(self.names) > 20 else "")
        raise TableError(f"{self.source}: there is no column {name!r}.{hint} It has: {shown}.")

    def cells(self, name: str, rows: np.ndarray | None = None) -> Iterator[Cell]:
        """The raw cells of a column, in order or of the given `rows`, as a stream."""
        column = self.column(name)
        step = int(np.clip(CHUNK_BYTES * self.rows // max(1, column.nbytes), 1, 4096))
        return _stream(column, step) if rows is None else _pick(column, np.asarray(rows), step)

    def row(self, i: int) -> dict[str, Cell]:
        return {name: self._data.column(at)[i].as_py() for name, at in self._places.items()}

    def close(self) -> None:
        """Release the data and remove the temporary copy, if there is one."""
        self._data = self._data.schema.empty_table()
        if self._folder is not None:
            self._folder.cleanup()


def open_table(
    source: Any,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    skip: int | None = None,
    escape: str | None = None,
    quote: bool = True,
    root: Path | None = None,
    cache: Path | None = None,
) -> Table:
    """Open a file or a folder, or a table from Python, as a `Table`. Raises TableError.

    source: path of a csv, tsv, json, jsonl, parquet, arrow or feather file, optionally
        compressed (.gz, .bz2, .xz, .zip), or of a folder of class folders; or a pandas, polars,
        pyarrow or Hugging Face table; or a dict of columns; or a list of rows that are dicts.
    encoding, delimiter, skip, escape, quote: of a csv, as in `data` of a config; detected in the
        file if not given. Uncertain detections are reported on stderr.
    root: folder that media paths are relative to; the file's own, or the current one.
    cache: folder for the memory-mapped copy of a file, reused while the file doesn't change; a
        temporary one if not given.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        delimiter = "\t" if delimiter in (r"\t", "tab") else delimiter  # as people type it
        options = ReadOptions(encoding, delimiter, skip, escape, quote)
        return _open_folder(path, root) if path.is_dir() else _open_file(path, options, root, cache)
    data = read.plain_table(read.from_python(source))
    name = f"{type(source).__module__.partition('.')[0]} {type(source).__name__}"
    name = f"table ({name.removeprefix('builtins ')})"
    return Table(data, source=name, root=root or Path.cwd(), digest=_content(data))


def _open_folder(path: Path, root: Path | None) -> Table:
    from mmbm.data.readers.folder import (
        read_folder,  # it has the names of splits, which are a table's
    )

    data = read_folder(path, read.ENDINGS)
    return Table(data, source=str(path), root=root or path, digest=_content(data))


def _open_file(path: Path, options: ReadOptions, root: Path | None, cache: Path | None) -> Table:
    read.check_path(path)
    if not read.is_packed(path):
        read.reader(path)  # rejects what isn't a table before anything else
    status = path.stat()
    identity = (VERSION, path.resolve(), status.st_size, status.st_mtime_ns, options)
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:32]
    folder = None
    if cache is None:
        folder = tempfile.TemporaryDirectory(prefix="mmbm-", ignore_cleanup_errors=True)
        cache = Path(folder.name)
    copy = cache / f"{digest}.arrow"
    data = _map(copy) if files.sound(copy) else None
    if data is None:
        _copy(path, options, copy)
        data = _map(copy)
    if data is None:
        raise TableError(
            f"{copy}: the copy just written can't be read. Is the disk full or failing?"
        )
    decided = json.loads((data.schema.metadata or {}).get(DECIDED, b"[{}, []]"))
    for note in decided[1]:
        say(note)
    return Table(
        data.replace_schema_metadata(None),
        source=str(path),
        root=root or path.parent,
        digest=digest,
        read_with=decided[0],
        notes=tuple(decided[1]),
        folder=folder,
    )


def _copy(path: Path, options: ReadOptions, copy: Path) -> None:
    """Read a file into its memory-mapped copy, which stores the detected options."""
    with contextlib.ExitStack() as stack:
        inner = path
        if read.is_packed(path):
            copy.parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=copy.parent))
            inner = read.unpack(path, Path(folder), read.ENDINGS)
        try:
            read.check_path(inner)
            schema, batches, decided = read.reader(inner)(inner, options)
            read.check_names(schema.names, str(inner))
            kept = {DECIDED: json.dumps([decided.options, decided.notes])}
            label = f"Rows read of {path.name}"
            _write(copy, schema.with_metadata(kept), heartbeat(batches, label, each=len))
        except TableError as error:  # in terms of the file that the user named
            raise TableError(str(error).replace(str(inner), str(path))) from error


def _map(copy: Path) -> pa.Table | None:
    if not copy.exists():
        return None
    try:
        return pa.ipc.open_file(pa.memory_map(str(copy))).read_all()
    except (pa.ArrowInvalid, OSError):  # cut off by a crash of the machine: it is written again
        return None


def _write(copy: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """With a checksum next to it: a damaged or unfinished copy is written again."""
    with (
        files.written(copy, sync=False) as part,
        pa.OSFile(str(part), "wb") as sink,
        pa.ipc.new_file(sink, schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    files.seal(copy)


def _stream(column: pa.ChunkedArray, step: int) -> Iterator[Cell]:
    for chunk in column.chunks:
        for start in range(0, len(chunk), step):
            yield from chunk.slice(start, step).to_pylist()


def _pick(column: pa.ChunkedArray, rows: np.ndarray, step: int) -> Iterator[Cell]:
    """Row by row in the given order. (`take` of a chunked array may copy the column whole.)"""
    ends = np.cumsum([len(chunk) for chunk in column.chunks])
    for first in range(0, len(rows), step):
        window = rows[first : first + step]
        chunks = np.searchsorted(ends, window, side="right")
        runs = np.flatnonzero(np.diff(chunks)) + 1  # where the next row lies in another chunk
        for run, which in zip(np.split(window, runs), np.split(chunks, runs)):
            chunk = column.chunk(int(which[0]))
            yield from chunk.take(pa.array(run - (ends[which[0]] - len(chunk)))).to_pylist()


def _content(data: pa.Table) -> str:
    digest = hashlib.sha256(data.schema.remove_metadata().serialize())
    for batch in data.to_batches(max_chunksize=65536):
        digest.update(batch.serialize())
    return digest.hexdigest()[:32]
