"""Table files and tables from Python -> Arrow batches of plain types.

Plain: text, bytes, truth values, integers, floats, lists and structs of them. Dates become ISO
text, decimals floats, dictionaries their values. A csv is read as text throughout: 007 stays 007,
and what a column means is decided by its kind, not by its spelling.
"""

import codecs
import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from mmbm.columns.category import name as name_of
from mmbm.columns.number import parse
from mmbm.errors import BadCell, TableError

Batches = tuple[pa.Schema, Iterator[pa.RecordBatch]]
Reader = Callable[[Path, str | None, str | None], Batches]

MEDIA_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".wav", ".flac", ".mp3", ".ogg")
_MISMATCH = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError)
_BLOCKS = (4 << 20, 64 << 20, 1 << 30)
"""Bytes of a csv read at a time; the next size if one row (with a picture in it) is longer."""


def reader(path: Path) -> Reader:
    """The function that reads this kind of file. Raises TableError."""
    if path.is_dir():
        raise TableError(f"{path}: is a folder, not a table.")
    if not path.exists():
        raise TableError(f"{path}: there is no such file.")
    found = _READERS.get(path.suffix.lower())
    if found is None:
        raise TableError(
            f"{path}: unknown kind of table {path.suffix!r}. mmbm reads {', '.join(_READERS)}."
        )
    if path.stat().st_size == 0:
        raise TableError(f"{path}: is empty (0 bytes).")
    return found


def check_names(names: list[str], source: str) -> None:
    if not names:
        raise TableError(f"{source}: has no columns.")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise TableError(f"{source}: two columns are called {twice!r}. Rename one.")


# ── csv ──────────────────────────────────────────────────────────────────────────────────────────


def read_csv(path: Path, encoding: str | None, delimiter: str | None) -> Batches:
    encoding = encoding or _encoding(path)
    try:
        delimiter = delimiter or _delimiter(path, encoding)
        with path.open(encoding=encoding, newline="") as file:
            header = next(csv.reader(file, delimiter=delimiter), [])
    except LookupError as error:
        raise TableError(f"{path}: data.encoding: there is no encoding {encoding!r}.") from error
    except UnicodeError as error:
        raise _wrong_encoding(path, encoding) from error
    except (csv.Error, OSError) as error:
        raise TableError(f"{path}: can't be read as a csv: {error}.") from error
    names = _header(path, header)
    return pa.schema([(name, pa.string()) for name in names]), _csv(
        path, encoding, delimiter, names
    )


def _csv(path: Path, encoding: str, delimiter: str, names: list[str]) -> Iterator[pa.RecordBatch]:
    done = 0
    for block in _BLOCKS:
        try:
            skip = done
            for batch in _csv_blocks(path, encoding, delimiter, names, block):
                fresh = batch.slice(min(skip, batch.num_rows))
                skip -= batch.num_rows - fresh.num_rows
                if fresh.num_rows:
                    done += fresh.num_rows
                    yield fresh
                    last = fresh
            if done:
                _check_last_quote(path, last)
            return
        except UnicodeError as error:
            raise _wrong_encoding(path, encoding) from error
        except pa.ArrowInvalid as error:
            text = str(error)
            if "straddl" in text and block != _BLOCKS[-1]:
                continue  # a row longer than the block: read on from there with a larger one
            if "invalid UTF8" in text:
                raise _wrong_encoding(path, encoding) from error
            raise TableError(f"{path}: {_csv_problem(text)}") from error


def _csv_blocks(
    path: Path, encoding: str, delimiter: str, names: list[str], block: int
) -> Iterable[pa.RecordBatch]:
    read = pa.csv.ReadOptions(
        use_threads=False,  # so that an error names its row
        block_size=block,
        column_names=names,
        skip_rows_after_names=1,
        encoding="utf8" if encoding.startswith("utf-8") else encoding,
    )
    convert = pa.csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        null_values=[""],
        strings_can_be_null=True,
    )
    parse_options = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    return pa.csv.open_csv(
        path, read_options=read, parse_options=parse_options, convert_options=convert
    )


def _header(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    if not any(names):
        raise TableError(f"{path}: its first row is empty, but must name the columns.")
    data = next((name for name in names if _looks_like_data(name)), None)
    if data is not None:
        raise TableError(
            f"{path}: its first row must name the columns, but {data[:60]!r} looks like data. "
            "Write a header."
        )
    # An empty name is what pandas writes over its index.
    return [name or f"column {i}" for i, name in enumerate(names, start=1)]


def _looks_like_data(name: str) -> bool:
    if name.lower().endswith(MEDIA_ENDINGS) or name.lower().startswith("data:"):
        return True
    try:
        return "." in name and parse(name) is not None
    except BadCell:
        return False


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _delimiter(path: Path, encoding: str) -> str:
    """The one that gives the most columns, the same number in the first rows; a comma if none."""
    if path.suffix.lower() == ".tsv":
        return "\t"

    def columns(delimiter: str) -> tuple[bool, int]:
        counts: list[int] = []
        with path.open(encoding=encoding, newline="") as file:
            try:
                for row in islice(csv.reader(file, delimiter=delimiter), 5):
                    counts += [len(row)] if row else []
            except csv.Error:  # a cell longer than this reader takes: the rows before it must do
                pass
        return len(set(counts)) == 1, counts[0] if counts else 0

    best = max(",;\t|", key=columns)
    return best if columns(best)[1] > 1 else ","


def _csv_problem(text: str) -> str:
    where, _, problem = text.removeprefix("CSV parse error: ").partition(": ")
    if where.startswith("Row #") and problem.startswith("Expected"):
        counts, _, row = problem.partition(": ")
        expected, got = (part.split()[-1] for part in counts.replace(" columns", "").split(", "))
        return (
            f"row {where[5:]} of the file (the header is row 1) has {got} of {expected} "
            f"cells: {row[:80]!r}. Quote a cell that contains the delimiter."
        )
    return f"can't be read as a csv: {text[:200]}"


def _check_last_quote(path: Path, last: pa.RecordBatch) -> None:
    """A quote that is never closed swallows the rest of the file into one cell, silently."""
    cell = last.column(last.num_columns - 1)[last.num_rows - 1].as_py()
    if cell is None or "\n" not in cell:
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16))
        closed = file.read().replace(b"\0", b"").rstrip().endswith(b'"')  # \0: of UTF-16
    if not closed:
        raise TableError(
            f'{path}: a quote (") is opened and never closed in its last rows, near '
            f"{cell[:60]!r}. Close it, or double a quote that is meant literally."
        )


def _wrong_encoding(path: Path, encoding: str) -> TableError:
    """Says where the first byte is that isn't `encoding`, and which encoding to try."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, lines, around = 0, 0, b""
    with path.open("rb") as file:
        while around := file.read(1 << 20):
            try:
                decoder.decode(around)
            except UnicodeError as error:
                start = getattr(error, "start", 0)
                lines += around[:start].count(b"\n")
                position += start
                around = around[max(0, start - 200) : start + 2000]
                break
            position += len(around)
            lines += around.count(b"\n")
    shown = "UTF-8" if encoding.startswith("utf-8") else encoding
    return TableError(
        f"{path}: byte {position} (line {lines + 1}) is not {shown} text. Say what it is, for "
        f"example data.encoding: {_guess(around)}."
    )


def _guess(data: bytes) -> str:
    text = data.decode("gb18030", errors="ignore")
    foreign = [c for c in text if not c.isascii()]
    chinese = sum("\u4e00" <= c <= "\u9fff" or c in "，。！？：；" for c in foreign)
    return "gbk" if foreign and chinese > 0.6 * len(foreign) else "cp1252"


# ── jsonl, parquet, arrow ────────────────────────────────────────────────────────────────────────


def read_jsonl(path: Path, encoding: str | None, delimiter: str | None) -> Batches:
    """Two passes: the first finds each column's type, for the rows may differ in it."""
    encoding = encoding or _encoding(path)
    schema = pa.schema([])
    for rows in _json_rows(path, encoding):
        schema = _unite(schema, from_python(rows).schema)
    schema = pa.schema([(field.name, _plain(field.type)) for field in schema])
    batches = (_to_batch(rows, schema) for rows in _json_rows(path, encoding))
    return schema, batches


def read_parquet(path: Path, encoding: str | None, delimiter: str | None) -> Batches:
    try:
        file = pa.parquet.ParquetFile(path)
        return _plain_schema(file.schema_arrow), _plain_batches(path, file.iter_batches(8192))
    except (*_MISMATCH, OSError) as error:
        raise TableError(f"{path}: can't be read as parquet: {error}.") from error


def read_arrow(path: Path, encoding: str | None, delimiter: str | None) -> Batches:
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
    return _plain_schema(file.schema), _plain_batches(path, batches)


_READERS: dict[str, Reader] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_jsonl,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}


def _json_rows(path: Path, encoding: str) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    size = 0
    try:
        with path.open(encoding=encoding) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise TableError(_json_problem(path, number, line, error)) from error
                if not isinstance(row, dict):
                    raise TableError(
                        f"{path}: line {number} is not an object {{column: cell, …}}: a table of "
                        "JSON has one on each line."
                    )
                rows.append(row)
                size += len(line)
                if size > _BLOCKS[0] or len(rows) == 8192:
                    yield rows
                    rows, size = [], 0
    except UnicodeError as error:
        raise _wrong_encoding(path, encoding) from error
    except LookupError as error:
        raise TableError(f"{path}: data.encoding: there is no encoding {encoding!r}.") from error
    if rows:
        yield rows


def _json_problem(path: Path, number: int, line: str, error: Exception) -> str:
    if number == 1 and line.lstrip()[:1] in "[{":
        return (
            f"{path}: line 1 is not a whole JSON object. A table of JSON has one object "
            "{column: cell, …} on each line (JSON lines)."
        )
    return f"{path}: line {number} is not JSON: {error}."


def _unite(one: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Columns of both; a type that holds both's values, which is text in the last resort."""
    fields = {field.name: field.type for field in one}
    for field in other:
        if field.name not in fields:
            fields[field.name] = field.type
            continue
        pair = [pa.schema([("x", t)]) for t in (fields[field.name], field.type)]
        try:
            fields[field.name] = pa.unify_schemas(pair, promote_options="permissive").field(0).type
        except _MISMATCH:
            fields[field.name] = pa.string()
    return pa.schema(list(fields.items()))


def _to_batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [_array([row.get(f.name) for row in rows], f.type) for f in schema]
    return pa.record_batch(arrays, schema=schema)


# ── tables from Python ───────────────────────────────────────────────────────────────────────────


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
        return source.data.table if whole else source.with_format("arrow")[:]
    if hasattr(source, "collect") and not hasattr(source, "__arrow_c_stream__"):  # polars, lazy
        source = source.collect()
    if hasattr(source, "to_dict") and hasattr(source, "iloc"):  # pandas: the index is no column
        try:
            return pa.Table.from_pandas(source, preserve_index=False)
        except _MISMATCH:  # a column of objects of several types
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
    return pa.table({name: _array(cells) for name, cells in columns.items()})


def _array(cells: list[Any], type_: pa.DataType | None = None) -> pa.Array:
    """Arrow's own types where the cells agree in one; otherwise text, or bytes beside paths."""
    mixed = {type(cell) for cell in cells} >= {bytes, str}  # Arrow would take paths for bytes
    if not mixed:
        try:
            return pa.array(cells, type=type_, from_pandas=True)  # NaN is an absent cell
        except (*_MISMATCH, UnicodeError, OverflowError):
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


# ── plain types ──────────────────────────────────────────────────────────────────────────────────


def plain_table(data: pa.Table) -> pa.Table:
    schema = _plain_schema(data.schema)
    return pa.table([_cast(c, f.type) for c, f in zip(data.columns, schema)], schema=schema)


def _plain_batches(path: Path, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        for batch in batches:
            schema = _plain_schema(batch.schema)
            columns = [_cast(c, field.type) for c, field in zip(batch.columns, schema)]
            yield pa.record_batch(columns, schema=schema)
    except (*_MISMATCH, OSError) as error:
        raise TableError(f"{path}: is damaged: {error}.") from error


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([(field.name, _plain(field.type)) for field in schema])


def _plain(type_: pa.DataType) -> pa.DataType:
    if isinstance(type_, pa.BaseExtensionType):
        return _plain(type_.storage_type)
    if pa.types.is_dictionary(type_):
        return _plain(type_.value_type)
    if pa.types.is_duration(type_):
        return pa.int64()
    if pa.types.is_null(type_) or pa.types.is_temporal(type_):
        return pa.string()
    if pa.types.is_decimal(type_):
        return pa.float64()
    if pa.types.is_string_view(type_) or pa.types.is_binary_view(type_):  # of polars: few kernels
        return pa.large_string() if pa.types.is_string_view(type_) else pa.large_binary()
    return type_


def _cast(column: Any, type_: pa.DataType) -> Any:
    if column.type == type_:
        return column
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([_cast(chunk, type_) for chunk in column.chunks], type_)
    if isinstance(column.type, pa.BaseExtensionType):
        return _cast(column.storage, type_)
    if pa.types.is_dictionary(column.type):
        return _cast(column.dictionary, type_).take(column.indices)
    return column.cast(type_)
