"""Tables that Python holds -> Arrow."""

import json
from typing import Any

import pyarrow as pa

from mmbm.columns.category import name as name_of
from mmbm.errors import TableError
from mmbm.read.huggingface import KEY
from mmbm.read.plain import MISMATCH, check_names


def from_python(source: Any) -> pa.Table:
    """A pandas, polars, pyarrow or Hugging Face table, a dict of columns or a list of rows."""
    if isinstance(source, dict):
        return _from_columns({str(name): list(cells) for name, cells in source.items()})
    if isinstance(source, list | tuple):
        if not all(isinstance(row, dict) for row in source):
            raise TableError("a table given as a list must be one of dicts {column: cell}.")
        names = dict.fromkeys(name for row in source for name in row)
        return _from_columns({str(n): [row.get(n) for row in source] for n in names})
    if hasattr(source, "with_format") and hasattr(source, "data"):  # Hugging Face datasets
        whole = getattr(source, "_indices", None) is None  # else rows were selected or shuffled
        data = source.data.table if whole else source.with_format("arrow")[:]
        features = json.dumps({"info": {"features": source.features.to_dict()}})
        return data.replace_schema_metadata({KEY: features})
    if hasattr(source, "collect") and not hasattr(source, "__arrow_c_stream__"):  # polars, lazy
        source = source.collect()
    if hasattr(source, "to_dict") and hasattr(source, "iloc"):  # pandas: the index is no column
        check_names([str(name) for name in source.columns], "table (pandas DataFrame)")
        try:
            return pa.Table.from_pandas(source, preserve_index=False)
        except MISMATCH:  # a column of objects of several types
            return _from_columns({str(n): source[n].tolist() for n in source.columns})
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return pa.table(source)
    if hasattr(source, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        return from_dataframe(source)
    raise TableError(
        f"can't make a table of a {type(source).__name__}. Give a path, a pandas, polars or "
        "pyarrow table, a Hugging Face dataset, a dict of columns or a list of dicts."
    )


def _from_columns(columns: dict[str, list[Any]]) -> pa.Table:
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TableError(f"the columns differ in length: {lengths}.")
    return pa.table({name: array(cells) for name, cells in columns.items()})


def array(cells: list[Any], type_: pa.DataType | None = None) -> pa.Array:
    """Arrow's own types where the cells agree in one; otherwise text, or bytes beside paths."""
    mixed = {type(cell) for cell in cells} >= {bytes, str}  # Arrow would take paths for bytes
    if not mixed:
        try:
            return pa.array(cells, type=type_, from_pandas=True)  # NaN is an absent cell
        except (*MISMATCH, UnicodeError, OverflowError):
            mixed = any(isinstance(cell, bytes) for cell in cells)
    if mixed:
        pairs = [
            None
            if cell is None
            else {"bytes": cell, "path": None}
            if isinstance(cell, bytes)
            else {"bytes": None, "path": str(cell)}
            for cell in cells
        ]
        return pa.array(pairs, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    return pa.array([_text(cell) for cell in cells], pa.string())


def _text(cell: Any) -> str | None:
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    if cell is None or isinstance(cell, bool | int | float):
        return name_of(cell)
    return str(cell).encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair: "?"
