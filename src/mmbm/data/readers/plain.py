"""Convert Arrow's types to plain ones, which every column supports.

Plain: text, bytes, truth values, integers, floats, lists and structs of them. Dates become ISO
text, decimals floats, dictionaries their values. A float32 becomes the float64 of its own shortest
digits: 0.1 stays 0.1, as a csv of the same table has it.
"""

import datetime
import decimal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmbm.data.readers.huggingface import Labels, class_labels, named, named_type
from mmbm.errors import TableError

MISMATCH = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError)
"""Arrow's exceptions for cells that don't fit a type."""


_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


def check_names(names: list[str], source: str) -> None:
    if not names:
        raise TableError(f"{source}: has no columns.")
    seen: set[str] = set()
    twice = next((name for name in names if name in seen or seen.add(name)), None)
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
    if pa.types.is_run_end_encoded(type_):
        return plain_type(type_.value_type)
    if pa.types.is_fixed_size_list(type_) or any(is_list(type_) for is_list in _LISTS):
        return pa.large_list(plain_type(type_.value_type))
    if pa.types.is_struct(type_):
        fields = [type_.field(i) for i in range(type_.num_fields)]
        return pa.struct([(field.name, plain_type(field.type)) for field in fields])
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
    try:
        return column.cast(type_)
    except MISMATCH:  # no kernel for it, as for lists of dates or of views: cell by cell
        return pa.array([_plain_cell(cell) for cell in column.to_pylist()], type_)


def _plain_cell(cell: Any) -> Any:
    if isinstance(cell, list):
        return [_plain_cell(item) for item in cell]
    if isinstance(cell, dict):
        return {name: _plain_cell(item) for name, item in cell.items()}
    if isinstance(cell, decimal.Decimal):
        return float(cell)
    if isinstance(cell, datetime.timedelta):
        return round(cell.total_seconds() * 1_000_000)
    return cell.isoformat() if hasattr(cell, "isoformat") else cell
