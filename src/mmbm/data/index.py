"""Index of a ragged column: the place of each cell in its prepared file, and its metadata.

For a large column it is a separate file next to the prepared one, mapped from disk: opening the
column reads none of its rows.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmbm import files
from mmbm.kinds.column import Storage


class Index(NamedTuple):
    """Place and metadata of each cell of a ragged column; mapped from disk where the column is
    large."""

    start: np.ndarray  # int64 [N], the cell's first byte in the prepared file
    length: np.ndarray  # int64 [N], its items, 1 where it is absent
    digest: np.ndarray  # uint64 [N]
    present: np.ndarray  # bool [N], on disk uint8
    reasons: dict[int, str]  # row -> reason why its cell is bad


FIELDS = pa.schema(
    {"start": pa.int64(), "length": pa.int64(), "digest": pa.uint64(), "present": pa.uint8()}
)
ENDING = ".rows"
INDEXED = 1 << 14
"""Rows from which a column's index is kept in a file: a shorter one is computed from the cells."""


def opened_index(
    path: Path, reader: pa.RecordBatchFileReader, storage: Storage, address: int
) -> Index:
    """The index of a prepared file, from the file next to it, or rebuilt if that is missing or
    belongs to another. address: memory address of the prepared file's first byte."""
    beside, of = path.with_name(path.name + ENDING), files.sum_of(path)
    if of and files.sound(beside):
        batch = pa.ipc.open_file(pa.memory_map(str(beside))).get_batch(0)
        known = json.loads((batch.schema.metadata or {}).get(b"mmbm", b"{}"))
        if known.get("of") == of:
            start, length, digest, present = (np.asarray(batch[name]) for name in FIELDS.names)
            return Index(start, length, digest, present.view(bool), dict(known["reasons"]))
    index = made_index(reader, storage, address)
    if of and len(index.start) >= INDEXED:
        write_index(beside, index, of)
        return opened_index(path, reader, storage, address)
    return index


def write_index(path: Path, index: Index, of: str) -> None:
    """of: the checksum of the prepared file."""
    known = json.dumps({"of": of, "reasons": list(index.reasons.items())})
    fields = FIELDS.with_metadata({"mmbm": known})
    arrays = [index.start, index.length, index.digest, index.present.view(np.uint8)]
    with (
        files.written(path, sync=False) as part,
        pa.OSFile(str(part), "wb") as sink,
        pa.ipc.new_file(sink, fields) as writer,
    ):
        writer.write_batch(pa.record_batch([pa.array(one) for one in arrays], schema=fields))
    files.seal(path)


def made_index(reader: pa.RecordBatchFileReader, storage: Storage, address: int) -> Index:
    count = reader.num_record_batches
    chunk = reader.get_batch(0).num_rows if count else 0
    total = (count - 1) * chunk + reader.get_batch(count - 1).num_rows if count else 0
    made = Index(
        np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.uint64),
        np.empty(total, bool), {},
    )  # fmt: skip
    for i in range(count):
        batch, first = reader.get_batch(i), i * chunk
        value, own = batch["value"], slice(first, first + batch.num_rows)
        offsets, content = view(value, np.int64, extra=1), value.buffers()[2]
        made.present[own] = value.is_valid()
        made.start[own] = offsets[:-1] + (content.address - address if content else 0)
        items = np.diff(offsets) // item_size(storage)
        made.length[own] = np.where(made.present[own], items, 1)
        made.digest[own] = view(batch["digest"], np.uint64)
        made.reasons.update((first + row, reason) for row, reason in reasons_of(batch))
    return made


def item_size(storage: Storage) -> int:
    """Bytes of a cell, or of one item of a ragged one."""
    return np.dtype(storage.dtype).itemsize * int(np.prod(storage.shape, dtype=np.int64))


def view(array: pa.Array, dtype: Any, extra: int = 0) -> np.ndarray:
    return np.frombuffer(array.buffers()[1], dtype, count=len(array) + extra)


def reasons_of(batch: pa.RecordBatch) -> Iterator[tuple[int, str]]:
    """Reasons of the bad cells of a batch, by their place in it."""
    if batch["reason"].null_count < len(batch):
        for row, reason in enumerate(batch["reason"].to_pylist()):
            if reason is not None:
                yield row, reason
