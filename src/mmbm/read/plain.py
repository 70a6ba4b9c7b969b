"""Arrow's types -> plain ones, which every column understands.

Plain: text, bytes, truth values, integers, floats, lists and structs of them. Dates become ISO
text, decimals floats, dictionaries their values. A float32 becomes the float64 of its own shortest
digits: 0.1 stays 0.1, as a csv of the same table has it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmbm.errors import TableError
from mmbm.read.huggingface import Labels, class_labels, named, named_type

MISMATCH = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError)
"""What Arrow raises when cells don't fit a type."""


def check_names(names: list[str], source: str) -> None:
    if not names:
        raise TableError(f"{source}: has no columns.")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise TableError(f"{source}: two columns are called {twice!r}. Rename one.")


def plain_table(data: pa.Table) -> pa.Table:
    schema, labels = plain_schema(data.schema), class_labels(data.schema)
    columns = [_plain(c, f, labels) for c, f in zip(data.columns, schema)]
    return pa.table(columns, schema=schema)


def plain_batches(
    path: Path, batches: Iterable[pa.RecordBatch], whole: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The batches of a file whose schema is `whole`."""
    schema, labels = plain_schema(whole), class_labels(whole)
    try:
        for batch in batches:
            columns = [_plain(c, f, labels) for c, f in zip(batch.columns, schema)]
            yield pa.record_batch(columns, schema=schema)
    except (*MISMATCH, OSError) as error:
        raise TableError(f"{path}: is damaged: {error}.") from error


def plain_schema(schema: pa.Schema) -> pa.Schema:
    labels = class_labels(schema)
    types = (named_type(labels[f.name]) if f.name in labels else plain_type(f.type) for f in schema)
    return pa.schema(list(zip(schema.names, types)))


def plain_type(type_: pa.DataType) -> pa.DataType:
    if isinstance(type_, pa.BaseExtensionType):
        return plain_type(type_.storage_type)
    if pa.types.is_dictionary(type_):
        return plain_type(type_.value_type)
    if pa.types.is_duration(type_):
        return pa.int64()
    if pa.types.is_null(type_) or pa.types.is_temporal(type_):
        return pa.string()
    if pa.types.is_decimal(type_) or pa.types.is_float32(type_) or pa.types.is_float16(type_):
        return pa.float64()
    if pa.types.is_string_view(type_) or pa.types.is_binary_view(type_):  # of polars: few kernels
        return pa.large_string() if pa.types.is_string_view(type_) else pa.large_binary()
    return type_


def _plain(column: Any, field: pa.Field, labels: dict[str, Labels]) -> Any:
    if field.name in labels:
        return named(column, labels[field.name])
    return _cast(column, field.type)


def _cast(column: Any, type_: pa.DataType) -> Any:
    if column.type == type_:
        return column
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([_cast(chunk, type_) for chunk in column.chunks], type_)
    if isinstance(column.type, pa.BaseExtensionType):
        return _cast(column.storage, type_)
    if pa.types.is_dictionary(column.type):
        return _cast(column.dictionary, type_).take(column.indices)
    if pa.types.is_float16(column.type):
        return pa.array(
            [None if x is None else float(str(np.float16(x))) for x in column.to_pylist()], type_
        )
    if pa.types.is_float32(column.type):
        column = column.cast(pa.string())
    return column.cast(type_)
