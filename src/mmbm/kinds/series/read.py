"""Parse a time series cell into channels by name: csv, npy, Parquet, JSON, lists and arrays.

The claimed size is checked before parsing: bytes, then steps and channels.
"""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmbm.cells import media
from mmbm.cells.moments import Moment, read
from mmbm.cells.notation import ABSENT
from mmbm.cells.values import as_array, describe, is_array
from mmbm.errors import BadCell

MAX_STEPS, MAX_CHANNELS, MAX_VALUES = 100_000, 1024, 4_000_000
"""Maximum per cell."""
DELIMITERS = ",;\t|"
NPY, PARQUET = b"\x93NUMPY", b"PAR1"


class Table(NamedTuple):
    """The steps of a cell as written: numbers, NaN for a missing value; text for dates."""

    names: list[str]
    values: list[Any]  # of each channel, [T] float64 or a list of texts

    def columns(self) -> dict[str, list[Any]]:
        """In JSON form, None for a missing value."""
        return {
            name: [None if x != x else x for x in column]
            for name, column in zip(self.names, self.values)
        }


def table(cell: Any, max_bytes: int) -> Table:
    """Raises BadCell."""
    if isinstance(cell, Path):
        if cell.suffix.lower() == ".parquet":
            return of_parquet(cell, max_bytes)
        cell = media.read(cell, max_bytes)
    if isinstance(cell, bytes):
        cell = of_bytes(media.read(cell, max_bytes))
    if isinstance(cell, str):
        return of_text(cell, max_bytes)
    if is_array(cell):
        return of_array(as_array(cell))
    if isinstance(cell, dict):
        return of_columns(cell)
    if isinstance(cell, list | tuple):
        return of_list(cell)
    raise BadCell(f"is {describe(cell)}, not a time series")


def of_bytes(data: bytes) -> str | np.ndarray:
    if data.startswith(NPY):
        return of_npy(data)
    if data.startswith(PARQUET):
        raise BadCell("is a Parquet file, which is read from a path alone; send csv, npy or JSON")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = media.name_format(data[:512])
        what = found or "bytes that are neither csv, npy nor JSON"
        raise BadCell(f"is {what}, not a time series") from error


def of_text(text: str, max_bytes: int) -> Table:
    if len(text) > max_bytes:
        raise BadCell(f"has {len(text)} characters, more than max_bytes={max_bytes}")
    return of_json(text) if text.lstrip()[:1] in ("[", "{") else of_csv(text)


def of_json(text: str) -> Table:
    """A list of steps, or an object of channels."""
    if text.count("[") > MAX_STEPS or text.count(",") > MAX_VALUES:
        raise BadCell(f"has more than {MAX_STEPS} steps, or {MAX_VALUES} values")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadCell(f"is text that begins like JSON and is none ({str(error)[:80]})") from error
    return of_columns(parsed) if isinstance(parsed, dict) else of_list(parsed)


def of_csv(text: str) -> Table:
    """The first line has the channels' names, unless all of it is numbers."""
    lines = text.count("\n") + 1
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    _check_size(lines - 1, first.count(delimiter) + 1)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise BadCell(f"is no csv ({error})") from error
    if not rows:
        raise BadCell("has no steps; leave the cell empty")
    named = not all(_is_value(x) for x in rows[0])
    names = [x.strip() for x in rows[0]] if named else [str(i) for i in range(len(rows[0]))]
    steps = rows[1:] if named else rows
    if odd := next((i for i, row in enumerate(steps, 1) if len(row) != len(names)), None):
        raise BadCell(f"has {len(steps[odd - 1])} values in step {odd}, and {len(names)} channels")
    return _checked(names, [list(column) for column in zip(*steps)])


def of_npy(data: bytes) -> np.ndarray:
    """The header's size is checked before anything is allocated."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = header[version](file)
        _check_shape(shape, dtype)
        if math.prod(shape) * dtype.itemsize > len(data) - file.tell():
            raise BadCell("is an npy file that is cut off")
        return np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, KeyError, EOFError, OverflowError) as error:
        raise BadCell(f"is an npy file that can't be read ({str(error)[:80]})") from error


def of_parquet(path: Path, max_bytes: int) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    media.check(path, max_bytes)
    try:
        with pq.ParquetFile(path) as file:
            _check_size(file.metadata.num_rows, file.metadata.num_columns)
            data = file.read()
    except (pa.ArrowException, OSError) as error:
        raise BadCell(f"is a Parquet file that can't be read ({str(error)[:80]})") from error
    for field in data.schema:
        kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal,
                 pa.types.is_boolean, pa.types.is_null, pa.types.is_string)  # fmt: skip
        if not any(is_kind(field.type) for is_kind in kinds):
            raise BadCell(f"has a channel {field.name!r} of type {field.type}, not of numbers")
    columns = [
        c.cast(pa.string()) if pa.types.is_temporal(c.type) else c for c in data.itercolumns()
    ]
    return _checked(data.column_names, [column.to_pylist() for column in columns])


def of_array(array: np.ndarray) -> Table:
    """[T] or [T, C]."""
    _check_shape(array.shape, array.dtype)
    array = array.reshape(len(array), -1).astype(np.float64)
    return _checked([str(i) for i in range(array.shape[1])], list(array.T))


def of_list(cell: Any) -> Table:
    """Numbers, steps that are lists of them, or steps that are objects."""
    if not isinstance(cell, list | tuple):
        raise BadCell(f"is {describe(cell)}, not a list of steps")
    if not cell:
        raise BadCell("has no steps; leave the cell empty")
    _check_size(len(cell), 1)
    if all(isinstance(step, dict) for step in cell):
        names = list(dict.fromkeys(str(name) for step in cell for name in step))
        _check_size(len(cell), len(names))
        return _checked(names, [[step.get(name) for step in cell] for name in names])
    steps = [_step(one) for one in cell]
    width = len(steps[0])
    if odd := next((i for i, step in enumerate(steps, 1) if len(step) != width), None):
        raise BadCell(f"has {len(steps[odd - 1])} values in step {odd}, and {width} in the first")
    _check_size(len(steps), width)
    return _checked([str(i) for i in range(width)], [list(channel) for channel in zip(*steps)])


def _step(one: Any) -> list[Any]:
    if is_array(one):
        one = as_array(one).tolist()
    return list(one) if isinstance(one, list | tuple) else [one]


def of_columns(cell: dict[Any, Any]) -> Table:
    """Channels by name, each a list of as many values."""
    columns = [as_array(c).tolist() if is_array(c) else c for c in cell.values()]
    if not columns or not all(isinstance(column, list | tuple) for column in columns):
        raise BadCell(f"is {describe(cell)}; a series as an object has a list for each channel")
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise BadCell(f"has channels of {min(lengths)} and of {max(lengths)} steps")
    _check_size(lengths.pop(), len(columns))
    return _checked([str(name) for name in cell], [list(column) for column in columns])


def _checked(names: list[str], columns: list[Any]) -> Table:
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise BadCell(f"has two channels of the name {twice!r}")
    if not columns or not len(columns[0]):
        raise BadCell("has no steps; leave the cell empty")
    return Table(names, columns)


def _check_shape(shape: tuple[int, ...], dtype: np.dtype) -> None:
    if len(shape) not in (1, 2) or dtype.kind not in "fiub":
        raise BadCell(f"is an array of shape {shape} and type {dtype}; a series is [steps] or "
                      "[steps, channels] of numbers")  # fmt: skip
    if not shape[0]:
        raise BadCell("has no steps; leave the cell empty")
    _check_size(shape[0], shape[1] if len(shape) == 2 else 1)


def _check_size(steps: int, channels: int) -> None:
    if steps > MAX_STEPS:
        raise BadCell(f"has {steps} steps, more than {MAX_STEPS}; take means over longer times")
    if channels > MAX_CHANNELS:
        raise BadCell(f"has {channels} channels, more than {MAX_CHANNELS}")
    if steps * channels > MAX_VALUES:
        raise BadCell(f"has {steps * channels} values, more than {MAX_VALUES}")


def _is_value(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip().lower() in ABSENT
    return True


# ── one channel ──────────────────────────────────────────────────────────────────────────────────


def channel(name: str, column: Any, largest: float) -> np.ndarray:
    """float64 [T], NaN for a missing value. Raises BadCell."""
    try:  # numbers alone, the usual case
        values = np.array([math.nan if x is None or x == "" else x for x in column], np.float64)
        if values.ndim != 1:
            raise TypeError("each value is a list")
    except (ValueError, TypeError, OverflowError):
        values = np.array([_value(name, step, x) for step, x in enumerate(column, 1)], np.float64)
    wrong = np.flatnonzero(np.abs(values) > largest)
    if len(wrong):
        raise BadCell(f"has {values[wrong[0]]:g} in step {wrong[0] + 1} of channel {name!r}")
    return values


def _value(name: str, step: int, x: Any) -> float:
    if x is None or (isinstance(x, str) and x.strip().lower() in ABSENT):
        return math.nan
    try:
        return float(x)
    except (ValueError, TypeError, OverflowError) as error:
        said = repr(x)[:40] if isinstance(x, str) else describe(x)
        raise BadCell(
            f"has {said} in step {step} of channel {name!r}, where a number belongs"
        ) from error


def times(name: str, column: Any) -> np.ndarray:
    """float64 [T] of the time stamp channel: numbers unchanged, dates as seconds."""
    stamps = np.array([_stamp(name, step, x) for step, x in enumerate(column, 1)])
    wrong = np.flatnonzero(~np.isfinite(stamps))
    if len(wrong):
        raise BadCell(f"has no time in step {wrong[0] + 1}, channel {name!r}")
    return stamps


def _stamp(name: str, step: int, x: Any) -> float:
    if not isinstance(x, str):
        return _value(name, step, x)
    try:
        return float(x)
    except ValueError:
        pass
    if x.strip().lower() in ABSENT:
        return math.nan
    try:
        found = read(x.strip()[:100])
    except BadCell as error:
        raise BadCell(f"{error.reason}, in step {step} of channel {name!r}") from error
    if not isinstance(found, Moment):
        raise BadCell(f"has {x[:40]!r} in step {step} of channel {name!r}, whose day and month "
                      "can't be told apart; write 2024-01-31")  # fmt: skip
    return found.seconds
