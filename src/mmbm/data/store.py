"""Decoded cells of one column on disk: an Arrow file, memory-mapped, written once.

The file has a record batch per chunk of rows with three columns: `value` (the array's bytes, null
where absent or bad), `reason` (why a cell is bad, else null) and `digest` (8 bytes of BLAKE2b of
the cell's content, see `told_apart`, the same on every machine; 0 where absent). Its name contains
a key of all that decoding depends on, so an unchanged column is never decoded twice.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmbm import files
from mmbm.cells.media import Remote
from mmbm.cells.urls import UNREAD
from mmbm.console import say, stage, track
from mmbm.data.index import item_size, opened_index, reasons_of, view
from mmbm.data.table import Table
from mmbm.errors import BadCell
from mmbm.kinds.column import Arrays, Cell, Column, HasVocabulary, Storage
from mmbm.kinds.text.column import TextColumn, plain_text
from mmbm.specs.columns import ColumnSpec

FORMAT = 2
"""Raised when the file's layout changes, so that an older one is not used."""
TOGETHER = 64
"""Cells that are compared with changed ones together."""
DOWNLOADS = 16
"""Threads that read URLs: they mostly wait."""
SMALL = 1 << 14
"""Bytes up to which a file is read, not mapped: a wide table has more columns than a process may
have open files (often 1024) or maps (65,530)."""


Decoded = tuple[np.ndarray | None, str | None]
"""A cell's array, or the reason of a bad cell; neither where it is absent."""


class ColumnStore:
    """Random access to the decoded cells of a column, without reading them into memory."""

    def __init__(self, path: Path, storage: Storage):
        self.name, self.path = path.stem, path
        self.storage = storage
        small = path.stat().st_size <= SMALL
        self._map = pa.py_buffer(path.read_bytes()) if small else pa.memory_map(str(path))
        reader = pa.ipc.open_file(self._map)
        self.chunk = reader.get_batch(0).num_rows if reader.num_record_batches else 1
        if storage.ragged:
            buffer = self._map if small else self._map.read_buffer()
            self._bytes = np.frombuffer(buffer, np.uint8)
            index = opened_index(path, reader, storage, self._bytes.ctypes.data)
            self._starts, self.lengths, self.digests, self.present, self.reasons = index
            return
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self.present = _joined([np.asarray(b["value"].is_valid()) for b in batches], bool)
        self.digests = _joined([view(b["digest"], np.uint64) for b in batches], np.uint64)
        self.reasons = {
            i * self.chunk + row: reason
            for i, batch in enumerate(batches)
            for row, reason in reasons_of(batch)
        }
        dtype = np.dtype(storage.dtype)
        self._values = [
            np.frombuffer(b["value"].buffers()[1], dtype).reshape(len(b), *storage.shape)
            for b in batches
        ]
        self.lengths = np.broadcast_to(np.int64(1), len(self.present))

    def __reduce__(self) -> Any:
        """Pickling sends the file's path, not its content."""
        return type(self), (self.path, self.storage)

    def gather(self, rows: np.ndarray) -> Arrays:
        """The cells of these rows as one padded batch."""
        present, lengths = self.present[rows], self.lengths[rows]
        shape = (int(lengths.max(initial=1)),) if self.storage.ragged else ()
        values = np.zeros((len(rows), *shape, *self.storage.shape), self.storage.dtype)
        if self.storage.ragged:
            starts = self._starts[rows].tolist()
            item, dtype = item_size(self.storage), values.dtype
            for i in np.flatnonzero(present).tolist():
                raw = self._bytes[starts[i] : starts[i] + lengths[i] * item]
                values[i, : lengths[i]] = raw.view(dtype).reshape(-1, *self.storage.shape)
            return Arrays(values, lengths, present)
        chunks, places = np.divmod(rows, self.chunk)
        for i, (chunk, place) in enumerate(zip(chunks.tolist(), places.tolist())):
            if present[i]:
                values[i] = self._values[chunk][place]
        return Arrays(values, lengths, present)


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def open_store(
    name: str,
    column: Column,
    spec: ColumnSpec,
    cells: Callable[[], Iterable[Cell]],
    table: Table,
    cache: Path,
    rehash: bool = False,
    chosen: np.ndarray | None = None,
) -> ColumnStore:
    """The column's prepared file; created if none exists for these cells and settings.

    chosen: the rows that `cells` yields, if not all; the others count as absent.
    """
    digest = hashlib.blake2b(digest_size=10)
    state = {k: v for k, v in column.state.items() if k not in column.not_decoding}
    known = [FORMAT, name, column.version, spec.decoding(), state, table.rows]
    digest.update(json.dumps(known, sort_keys=True, default=str).encode())
    if chosen is not None:
        digest.update(chosen.tobytes())
    if spec.is_media:
        with stage(f"Looking which files of {name} changed"):
            parts = chunks(fetching(cells()) if rehash else cells(), TOGETHER)
            tell = partial(told_by, rehash=rehash)
            for one in parallel(tell, parts) if rehash else map(tell, parts):
                digest.update(one)
    else:
        digest.update(table.digest.encode())
    path = cache / f"{safe(name)}-{digest.hexdigest()}.arrow"
    with stage(f"Checking the prepared file of {name}"):
        there = usable(path, name)
    if not there:
        write(path, column, cells(), table.rows, name)
    store = ColumnStore(path, column.storage)
    if there and (found := read_again(column, cells(), unread(store))):
        say(f"{name}: {len(found)} URLs that could not be read before are read now.")
        mend(path, store, found, name)
        store = ColumnStore(path, column.storage)
    if rows := unread(store):  # its name identifies its content
        content = hashlib.blake2b(json.dumps(rows).encode(), digest_size=6).hexdigest()
        store.name = f"{store.name}-{content}"
    return store


def unread(store: ColumnStore) -> list[int]:
    """The rows whose URL could not be read, but may be readable now."""
    return [row for row, reason in store.reasons.items() if reason.startswith(UNREAD)]


def read_again(column: Column, cells: Iterable[Cell], rows: list[int]) -> dict[int, Decoded]:
    """Those of the rows whose URL can be read this time."""
    wanted = set(rows)
    again = ((row, cell) for row, cell in enumerate(cells if rows else ()) if row in wanted)
    found = dict(parallel(lambda one: (one[0], decode_cell(column, one[1])), again, DOWNLOADS))
    return {r: one for r, one in found.items() if not (one[1] or "").startswith(UNREAD)}


def mend(path: Path, store: ColumnStore, found: dict[int, Decoded], name: str) -> None:
    """Rewrite a prepared file with these rows replaced."""
    reader, storage = pa.ipc.open_file(pa.memory_map(str(path))), store.storage

    def batches() -> Iterator[pa.RecordBatch]:
        for i in range(reader.num_record_batches):
            batch, first = reader.get_batch(i), i * store.chunk
            own = {row - first: one for row, one in found.items() if row // store.chunk == i}
            yield replaced(batch, own, storage) if own else batch

    save(path, storage, batches(), len(store.present), f"mend {name}")


def replaced(batch: pa.RecordBatch, own: dict[int, Decoded], storage: Storage) -> pa.RecordBatch:
    """The batch with the cells at these places replaced."""
    kept = batch["value"]
    raws = [np.frombuffer(v.as_buffer(), np.uint8) if v.is_valid else None for v in kept]
    reasons, digests = batch["reason"].to_pylist(), batch["digest"].to_numpy().copy()
    for place, (value, reason) in own.items():
        raw = None if value is None else np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        raws[place], reasons[place] = raw, reason
        digests[place] = 0 if raw is None else int.from_bytes(digest(raw, b""), "little")
    arrays = [as_binary(raws, kept.type), pa.array(reasons, pa.string()), pa.array(digests)]
    return pa.record_batch(arrays, schema=schema(storage))


def usable(path: Path, name: str) -> bool:
    """Whether a prepared file exists and is complete; a damaged one is rebuilt, with a message."""
    if files.sound(path):
        return True
    if path.exists():
        say(f"The prepared file of {name}, {path}, is damaged or unfinished: it is made again.")
    return False


def safe(name: str) -> str:
    """A column's name as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:40]


def told_by(cells: Iterable[Cell], rehash: bool) -> bytes:
    return b"".join(identity(cell, rehash) for cell in cells)


def identity(cell: Any, rehash: bool) -> bytes:
    """Identifies an unchanged cell: path, size and time of change, a URL, or its bytes."""
    if isinstance(cell, Remote):
        if not rehash:
            return f"{cell.identity()}\n".encode(errors="surrogateescape")
        cell = fetched(cell)
    if isinstance(cell, Path):
        if rehash and cell.is_file():
            with cell.open("rb") as file:
                return hashlib.file_digest(file, "blake2b").digest()
        try:
            stat = os.stat(cell)
        except OSError as error:
            return f"{cell}|{error.errno}\n".encode(errors="surrogateescape")
        return f"{cell}|{stat.st_size}|{stat.st_mtime_ns}\n".encode(errors="surrogateescape")
    raw = cell if isinstance(cell, bytes) else repr(cell).encode()
    return hashlib.blake2b(raw, digest_size=16).digest()


def write(path: Path, column: Column, cells: Iterable[Cell], rows: int, name: str) -> None:
    """Decode in parallel, chunk by chunk and in order; the file appears once complete."""
    storage = column.storage
    chunk = (
        32 if storage.ragged else int(np.clip((1 << 20) // max(item_size(storage), 1), 16, 4096))
    )
    batches = parallel(
        lambda some: record(
            [decode_cell(column, cell) for cell in some],
            storage,
            [told_apart(column, cell) for cell in some],
        ),
        chunks(fetching(cells), chunk),
    )
    save(path, storage, batches, rows, f"decode {name}")


def fetching(cells: Iterable[Cell]) -> Iterator[Cell]:
    """The cells in order; those behind URLs are prefetched in parallel."""
    cells = iter(cells)
    first = list(islice(cells, TOGETHER))
    cells = chain(first, cells)
    if any(isinstance(cell, Remote) for cell in first):
        return parallel(fetched, cells, DOWNLOADS)
    return cells


def fetched(cell: Any) -> Any:
    """A cell behind a URL as its bytes, or the reason why it can't be read."""
    try:
        return cell.read() if isinstance(cell, Remote) else cell
    except BadCell as bad:
        return bad


def save(
    path: Path, storage: Storage, batches: Iterable[pa.RecordBatch], rows: int, label: str
) -> None:
    """Batches of equal size, except the last one."""
    with (
        files.written(path, sync=False) as part,
        pa.OSFile(str(part), "wb") as sink,
        pa.ipc.new_file(sink, schema(storage)) as writer,
    ):
        for batch in track(batches, rows, label, each=len):
            writer.write_batch(batch)
    files.seal(path)


def chunks(cells: Iterable[Cell], size: int) -> Iterator[list[Cell]]:
    iterator = iter(cells)
    while chunk := list(islice(iterator, size)):
        yield chunk


def parallel(work: Callable, items: Iterable, workers: int | None = None) -> Iterator:
    """Results in order from `workers` threads, one per core if not given, with only a few items in
    progress.

    Decoders release the interpreter lock for most of their work.
    """
    items = iter(items)
    first = list(islice(items, 2))
    if len(first) < 2:  # nothing to overlap with: no threads for each of many short columns
        yield from map(work, first)
        return
    items = chain(first, items)
    affinity = hasattr(os, "sched_getaffinity")
    workers = workers or (len(os.sched_getaffinity(0)) if affinity else os.cpu_count())
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * (workers or 1):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:  # an error, or the consumer stopped early
                one.cancel()


def decode_cell(column: Column, cell: Any) -> Decoded:
    """The decoded cell, or the reason of a bad cell."""
    cell = fetched(cell)
    if isinstance(cell, BadCell):
        return None, cell.reason
    try:
        return column.decode(cell), None
    except BadCell as bad:
        return None, bad.reason


def schema(storage: Storage) -> pa.Schema:
    value = pa.large_binary() if storage.ragged else pa.binary(item_size(storage))
    return pa.schema({"value": value, "reason": pa.string(), "digest": pa.uint64()})


def told_apart(column: Column, cell: Cell) -> bytes:
    """Distinguishes cells that decode to the same array: a value or a label that training never
    saw, and a text with words that are only kept as rare."""
    try:
        if isinstance(column, HasVocabulary):
            return "\x1f".join(column.unseen(cell)).encode()
        if isinstance(column, TextColumn):
            return (plain_text(cell) or "").encode(errors="surrogatepass")
    except BadCell:  # its row is left out
        pass
    return b""


def record(
    decoded: list[Decoded], storage: Storage, apart: Sequence[bytes] | None = None
) -> pa.RecordBatch:
    """The cells as one batch. Values are copied once, by numpy, which lets other threads run.

    apart: see `told_apart`, of each cell.
    """
    raws = [
        None if value is None else np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        for value, _ in decoded
    ]
    digests = [
        b"\0" * 8 if raw is None else digest(raw, own)
        for raw, own in zip(raws, apart or [b""] * len(raws))
    ]
    arrays = [
        as_binary(raws, schema(storage).field("value").type),
        pa.array([reason for _, reason in decoded], pa.string()),
        pa.array(np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)),
    ]
    return pa.record_batch(arrays, schema=schema(storage))


def digest(raw: np.ndarray, own: bytes) -> bytes:
    hashed = hashlib.blake2b(raw.data, digest_size=8)
    hashed.update(own)
    return hashed.digest()


def as_binary(values: Sequence[np.ndarray | None], kind: pa.DataType) -> pa.Array:
    """Bytes of each cell as an Arrow array, large_binary or of one size; None is null."""
    valid = np.array([value is not None for value in values])
    if pa.types.is_fixed_size_binary(kind):
        empty = np.zeros(kind.byte_width, np.uint8)
        values, offsets = [empty if value is None else value for value in values], []
    else:
        lengths = [0 if value is None else len(value) for value in values]
        offsets = [pa.py_buffer(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))]
    joined = np.concatenate([np.empty(0, np.uint8), *(v for v in values if v is not None)])
    buffers = [pa.py_buffer(np.packbits(valid, bitorder="little")), *offsets]
    return pa.Array.from_buffers(kind, len(values), [*buffers, pa.py_buffer(joined)])
