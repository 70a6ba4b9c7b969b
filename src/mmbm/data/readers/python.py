"""Convert tables in Python to Arrow."""

import json
from typing import Any

import pyarrow as pa

from mmbm.cells.values import from_python as cell_from_python
from mmbm.cells.values import is_array, is_picture
from mmbm.data.readers.huggingface import KEY
from mmbm.data.readers.plain import MISMATCH, check_names
from mmbm.errors import BadCell, TableError
from mmbm.kinds.category.column import name as name_of

PLAIN = {str, bytes, int, float, bool, type(None)}
"""Types of cells that are kept unchanged."""


def from_python(source: Any) -> pa.Table:
    """A pandas, polars, pyarrow or Hugging Face table, a dict of columns or a list of rows."""
    if isinstance(source, dict):
        return _from_columns({str(name): _cells(name, c) for name, c in source.items()})
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
    if hasattr(source, "iloc") and not hasattr(source, "columns"):
        raise TableError("a Series is no table: give a DataFrame, or its row as dict(series).")
    if hasattr(source, "to_dict") and hasattr(source, "iloc"):  # pandas: the index is no column
        check_names([str(name) for name in source.columns], "table (pandas DataFrame)")
        return _from_pandas(source)
    if (
        hasattr(source, "iter_rows") and hasattr(source, "schema") and _has_objects(source)
    ):  # polars
        return _from_columns({name: source[name].to_list() for name in source.columns})
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return pa.table(source)
    if hasattr(source, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        return from_dataframe(source)
    raise TableError(
        f"can't make a table of a {type(source).__name__}. Give a path, a pandas, polars or "
        "pyarrow table, a Hugging Face dataset, a dict of columns or a list of dicts."
    )


def _has_objects(frame: Any) -> bool:
    """Columns of Python objects, or of 128-bit integers, which polars can't convert to Arrow."""
    return any(str(kind) in ("Object", "Int128", "UInt128") for kind in frame.schema.values())


def _cells(name: Any, column: Any) -> list[Any]:
    """A column of a dict. A text doesn't count as a list of letters. Raises TableError."""
    if isinstance(column, str | bytes | dict) or not hasattr(column, "__iter__"):
        raise TableError(
            f"column {str(name)!r} is a {type(column).__name__}, no list of cells. Give a list for "
            "each column; one row is [{column: cell}]."
        )
    return list(column)


def _from_pandas(frame: Any) -> pa.Table:
    """Columns of media objects cell by cell: Arrow would take numpy's and torch's for lists."""
    frame = _dense(frame)
    objects = [n for n, kind in frame.dtypes.items() if kind.kind == "O" and _has_media(frame[n])]
    try:
        plain = frame.drop(columns=objects) if objects else frame
        data = pa.Table.from_pandas(plain, preserve_index=False)
    except (*MISMATCH, OverflowError):  # a column of objects of several types, or beyond 64 bits
        return _from_columns({str(n): frame[n].tolist() for n in frame.columns})
    made = {str(n): array(frame[n].tolist()) for n in objects}
    columns = {str(n): made[str(n)] if str(n) in made else data[str(n)] for n in frame.columns}
    return pa.table(columns)


def _dense(frame: Any) -> Any:
    """Reject what Arrow can't convert: it has no sparse columns, and takes periods for numbers."""
    changed = {}
    for name, kind in frame.dtypes.items():
        if hasattr(kind, "fill_value"):
            changed[name] = frame[name].sparse.to_dense()
        elif str(kind).startswith("period["):
            changed[name] = frame[name].astype("string")
    if not changed:
        return frame
    frame = frame.copy(deep=False)
    for name, column in changed.items():
        frame[name] = column
    return frame


def _has_media(cells: Any) -> bool:
    """Decided by the first cells that aren't empty."""
    for cell in cells.head(1000):
        if is_picture(cell) or (is_array(cell) and len(cell.shape) > 1):
            return True
        if cell is not None and not isinstance(cell, float):
            return isinstance(cell, dict)
    return False


def _from_columns(columns: dict[str, list[Any]]) -> pa.Table:
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TableError(f"the columns differ in length: {lengths}.")
    return pa.table({name: array(cells) for name, cells in columns.items()})


def array(cells: list[Any], type_: pa.DataType | None = None) -> pa.Array:
    """Arrow's own types where the cells agree in one; otherwise text, or bytes mixed with paths.

    `columns.cell` converts Python's objects. Raises TableError for those that have no meaning in a
    table.
    """
    if not {type(cell) for cell in cells} <= PLAIN:
        cells = [_plain(cell, row) for row, cell in enumerate(cells, start=1)]
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


def _plain(cell: Any, row: int) -> Any:
    try:
        return cell_from_python(cell)
    except BadCell as error:
        raise TableError(f"row {row}: a cell {error.reason}.") from error


def _text(cell: Any) -> str | None:
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    if cell is None or isinstance(cell, bool | int | float):
        return name_of(cell)
    return str(cell).encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair: "?"
