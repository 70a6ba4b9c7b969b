"""parquet, Arrow and Feather, batch by batch."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from mmbm.data.readers.options import Decided, ReadOptions
from mmbm.data.readers.plain import MISMATCH, plain_batches, plain_schema
from mmbm.errors import TableError

BATCH_ROWS = 8192


def read_parquet(
    path: Path, options: ReadOptions
) -> tuple[pa.Schema, Iterator[pa.RecordBatch], Decided]:
    try:
        file = parquet.ParquetFile(path)
        batches = plain_batches(path, file.iter_batches(BATCH_ROWS), file.schema_arrow)
        return plain_schema(file.schema_arrow), batches, Decided()
    except (*MISMATCH, OSError) as error:
        raise TableError(f"{path}: can't be read as parquet: {str(error).rstrip('.')}.") from error


def read_arrow(
    path: Path, options: ReadOptions
) -> tuple[pa.Schema, Iterator[pa.RecordBatch], Decided]:
    source = pa.memory_map(str(path))
    try:
        file = pa.ipc.open_file(source)
        batches: Iterator[pa.RecordBatch] = map(file.get_batch, range(file.num_record_batches))
    except pa.ArrowInvalid:
        source.seek(0)
        try:
            file = pa.ipc.open_stream(source)
        except (pa.ArrowInvalid, OSError) as error:
            raise TableError(f"{path}: can't be read as Arrow or Feather: {error}.") from error
        batches = iter(file)
    return plain_schema(file.schema), plain_batches(path, batches, file.schema), Decided()
