"""Read the rows of an untrusted Parquet file in a child process with limited memory.

A few bytes of Parquet can stand for gigabytes: a page says by itself how large it is when it is
expanded, and a value of a dictionary may be repeated by a million rows. So the file is read by a
child, which may allocate `MEMORY` and no more, and passes on rows whose cells are within the limit.
The file's own metadata is not trusted.

    server ──file──► child: pyarrow, RLIMIT_DATA ──Arrow stream of small batches──► server
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from mmbm.serve.limits import Limits, RequestError

MEMORY = 400 << 20
"""Bytes of a child, of which about 100 million are Python and Arrow themselves."""
CHILDREN = 2
"""Concurrent children; others wait for their turn."""
ROWS = 64
"""Rows per batch, if they are small."""
BATCH = 32 << 20
"""Bytes of a batch's cells above which the next row begins another one."""
WRONG = "mmbm.wrong"
"""The column of the child's batches with the error of a row."""
REFUSED = 3
"""The exit status of a child that reports an error."""

_turn = asyncio.Semaphore(CHILDREN)


async def parquet_rows(
    file: BinaryIO, known: list[str], limits: Limits
) -> AsyncIterator[dict[str, Any] | RequestError]:
    """The rows, as {column: cell} of the `known` columns; a RequestError for a row with a cell that
    is too large. Raises a RequestError if it is no Parquet file."""
    loop = asyncio.get_running_loop()
    async with _turn:
        child = await loop.run_in_executor(None, start, file, known, limits)
        try:
            batches = batches_of(child)
            number = 0
            while (batch := await loop.run_in_executor(None, next, batches, None)) is not None:
                for row in batch.to_pylist():
                    number += 1
                    wrong = row.pop(WRONG)
                    yield (
                        row
                        if wrong is None
                        else RequestError(413, wrong, reason="too_large", row=number)
                    )
            await loop.run_in_executor(None, finish, child)
        finally:
            child.kill()
            await loop.run_in_executor(None, child.communicate)


def start(file: BinaryIO, known: list[str], limits: Limits) -> subprocess.Popen:
    file.flush()
    file.seek(0)
    most = str(int(limits.megabytes * 1e6))
    command = [sys.executable, "-m", "mmbm.serve.parquet", most, *known]
    system = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **system},
    )  # fmt: skip


def batches_of(child: subprocess.Popen) -> Iterator[pa.RecordBatch]:
    assert child.stdout is not None
    with contextlib.suppress(pa.ArrowInvalid, EOFError, OSError):  # see `finish` for the reason
        yield from pa.ipc.open_stream(child.stdout)


def finish(child: subprocess.Popen) -> None:
    """Raises a RequestError if the child could not read the file to its end."""
    _, said = child.communicate()
    if child.returncode == 0:
        return
    why = f"it needs more than {MEMORY >> 20} MB when it is expanded"
    if child.returncode == REFUSED:
        why = said.decode(errors="replace").strip()[:300]
    raise RequestError(
        400, f"The body is not a Parquet file that can be read here: {why}.", reason="parquet"
    )


# ── the child ────────────────────────────────────────────────────────────────────────────────────


def main(most: int, known: list[str]) -> int:
    limit_memory()
    try:
        table = pq.ParquetFile(sys.stdin.buffer, pre_buffer=False, buffer_size=1 << 20)
        names = [name for name in known if name in table.schema_arrow.names]
        if not names:
            print(f"the table has none of the inputs: {', '.join(known)}", file=sys.stderr)
            return REFUSED
        # Values of a dictionary are read once, however often a row repeats them.
        table = pq.ParquetFile(
            sys.stdin.buffer, pre_buffer=False, buffer_size=1 << 20,
            read_dictionary=[n for n in names if is_text(table.schema_arrow.field(n).type)],
        )  # fmt: skip
        write(table, names, most)
    except (pa.ArrowException, ArithmeticError, OSError, MemoryError, ValueError) as error:
        print(str(error) or "it needs too much memory", file=sys.stderr)
        return REFUSED
    return 0


def limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )  # fmt: skip


def write(table: pq.ParquetFile, names: list[str], most: int) -> None:
    """Rows in small batches to stdout."""
    fields = [plain(table.schema_arrow.field(name)) for name in names]
    schema = pa.schema([*fields, pa.field(WRONG, pa.string())])
    rows: list[dict[str, Any]] = []
    held = 0
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as out:

        def send() -> None:
            nonlocal rows, held
            if rows:
                out.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
            rows, held = [], 0

        for batch in table.iter_batches(batch_size=ROWS, columns=names, use_threads=False):
            for i in range(batch.num_rows):
                row, size = one(batch, names, i, most)
                if rows and (held + size > BATCH or len(rows) >= ROWS):
                    send()
                rows.append(row)
                held += size
        send()


def one(batch: pa.RecordBatch, names: list[str], i: int, most: int) -> tuple[dict[str, Any], int]:
    """A row, and the approximate size of its cells in bytes."""
    row: dict[str, Any] = {WRONG: None}
    total = 0
    for name in names:
        cell = batch.column(name).slice(i, 1)
        if pa.types.is_dictionary(cell.type):
            cell = cell.dictionary_decode()
        size = cell.get_total_buffer_size() if cell.offset == 0 else cell.nbytes
        if size > most + 64:
            return {WRONG: f"{name}: a cell has more than {most} bytes."}, 0
        row[name] = cell[0].as_py()
        total += size
    return row, total


def plain(field: pa.Field) -> pa.Field:
    kind = field.type
    return field.with_type(kind.value_type) if pa.types.is_dictionary(kind) else field


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
