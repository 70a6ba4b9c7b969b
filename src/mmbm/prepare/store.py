"""Decoded cells of one column on disk: an Arrow file, memory-mapped, written once.

The file has a record batch per chunk of rows with three columns: `value` (the array's bytes, null
where absent or bad), `reason` (why a cell is bad, else null) and `digest` (of the decoded bytes,
comparable within the file: Python's keyed 64-bit hash, much faster than a cryptographic one).
Its name holds a key of all that decoding depends on, so an unchanged column is never decoded twice.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmbm.columns import Arrays, Cell, Column, Storage
from mmbm.config import Spec
from mmbm.errors import BadCell
from mmbm.progress import track
from mmbm.table import Table

NOT_DECODING = {"encoder", "augment", "same_as", "weight", "loss", "class_weights"} | {
    "label_smoothing", "threshold", "group", "bins", "bands", "normalise",
    "of", "beam", "order", "influence", "bonus",
    "decoder", "temperature", "top_p", "seed",
}  # fmt: skip
"""Options that don't change what a cell decodes to."""


class Store:
    """Random access to the decoded cells of a column, without reading them into memory."""

    def __init__(self, path: Path, storage: Storage):
        self.name = path.stem
        self.storage = storage
        self._map = pa.memory_map(str(path))
        reader = pa.ipc.open_file(self._map)
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self.chunk = batches[0].num_rows if batches else 1
        self.present = _joined([np.asarray(b["value"].is_valid()) for b in batches], bool)
        self.digests = _joined([_view(b["digest"], np.uint64) for b in batches], np.uint64)
        self.reasons: dict[int, str] = {
            i * self.chunk + row: reason
            for i, batch in enumerate(batches)
            if batch["reason"].null_count < len(batch)
            for row, reason in enumerate(batch["reason"].to_pylist())
            if reason is not None
        }
        dtype = np.dtype(storage.dtype)
        if storage.ragged:
            item = dtype.itemsize * int(np.prod(storage.shape, dtype=np.int64))
            self._offsets = [_view(b["value"], np.int64, extra=1) // item for b in batches]
            self._values = [
                np.frombuffer(b["value"].buffers()[2] or b"", np.uint8)[: offsets[-1] * item]
                .view(dtype).reshape(-1, *storage.shape)
                for b, offsets in zip(batches, self._offsets)
            ]  # fmt: skip
            lengths = _joined([np.diff(o) for o in self._offsets], np.int64)
            self.lengths = np.where(self.present, lengths, 1)
        else:
            self._values = [
                np.frombuffer(b["value"].buffers()[1], dtype).reshape(len(b), *storage.shape)
                for b in batches
            ]
            self.lengths = np.ones(len(self.present), np.int64)

    def gather(self, rows: np.ndarray) -> Arrays:
        """The cells of these rows as one padded batch."""
        present, lengths = self.present[rows], self.lengths[rows]
        shape = (int(lengths.max(initial=1)),) if self.storage.ragged else ()
        values = np.zeros((len(rows), *shape, *self.storage.shape), self.storage.dtype)
        chunks, places = np.divmod(rows, self.chunk)
        for i, (chunk, place) in enumerate(zip(chunks.tolist(), places.tolist())):
            if not present[i]:
                continue
            if self.storage.ragged:
                start = self._offsets[chunk][place]
                values[i, : lengths[i]] = self._values[chunk][start : start + lengths[i]]
            else:
                values[i] = self._values[chunk][place]
        return Arrays(values, lengths, present)


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _view(array: pa.Array, dtype: Any, extra: int = 0) -> np.ndarray:
    return np.frombuffer(array.buffers()[1], dtype, count=len(array) + extra)


def open_store(
    name: str,
    column: Column,
    spec: Spec,
    cells: Callable[[], Iterable[Cell]],
    table: Table,
    cache: Path,
    rehash: bool = False,
) -> Store:
    """The column's prepared file; made now if there is none of just these cells and settings."""
    digest = hashlib.blake2b(digest_size=10)
    settings = {k: v for k, v in spec.model_dump(mode="json").items() if k not in NOT_DECODING}
    settings["bins"] = None  # quantile bins are learned, not used to decode
    state = {
        k: v
        for k, v in column.state.items()
        if k not in ("edges", "counts", "ngrams", "pretrained")
    }
    known = [name, column.version, settings, state, table.rows]
    digest.update(json.dumps(known, sort_keys=True, default=str).encode())
    if spec.kind in ("image", "audio"):  # type: ignore[attr-defined]
        for cell in cells():
            digest.update(identity(cell, rehash))
    else:
        digest.update(table.digest.encode())
    path = cache / f"{safe(name)}-{digest.hexdigest()}.arrow"
    if not path.exists():
        write(path, column, cells(), table.rows, name)
    return Store(path, column.storage)


def safe(name: str) -> str:
    """A column's name as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:40]


def identity(cell: Cell, rehash: bool) -> bytes:
    """What tells an unchanged cell: path, size and time of change, or its bytes."""
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
    """Decode in parallel, chunk by chunk and in order; the file appears only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = column.storage
    size = np.dtype(storage.dtype).itemsize * int(np.prod(storage.shape, dtype=np.int64))
    chunk = 32 if storage.ragged else int(np.clip((1 << 20) // max(size, 1), 16, 4096))
    schema = pa.schema(
        {
            "value": pa.large_binary() if storage.ragged else pa.binary(size),
            "reason": pa.string(),
            "digest": pa.uint64(),
        }
    )
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            batches = parallel(
                lambda some: decode_chunk(column, some, schema), chunks(cells, chunk)
            )
            for batch in track(batches, rows, f"decode {name}", each=len):
                writer.write_batch(batch)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def chunks(cells: Iterable[Cell], size: int) -> Iterator[list[Cell]]:
    iterator = iter(cells)
    while chunk := list(islice(iterator, size)):
        yield chunk


def parallel(work: Callable, items: Iterable, workers: int | None = None) -> Iterator:
    """Results in order from `workers` threads, one per core if not said, with only a few items
    under way at once.

    Decoders release the interpreter lock for most of their work.
    """
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
            for one in waiting:  # something failed, or nobody wants the rest
                one.cancel()


def decode_cell(column: Column, cell: Any) -> tuple[np.ndarray | None, str | None]:
    """The decoded cell, or the reason why there is none."""
    if isinstance(cell, BadCell):
        return None, cell.reason
    try:
        return column.decode(cell), None
    except BadCell as bad:
        return None, bad.reason


def decode_chunk(column: Column, cells: list[Cell], schema: pa.Schema) -> pa.RecordBatch:
    """The cells as one batch. Values are copied once, by numpy: other threads go on meanwhile."""
    values, reasons, digests = [], [], []
    for cell in cells:
        value, reason = decode_cell(column, cell)
        raw = None if value is None else np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        values.append(raw)
        reasons.append(reason)
        digests.append(0 if raw is None else hash(raw.tobytes()))
    arrays = [
        as_binary(values, schema.field("value").type),
        pa.array(reasons, pa.string()),
        pa.array(np.array(digests, np.int64).view(np.uint64)),
    ]
    return pa.record_batch(arrays, schema=schema)


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
