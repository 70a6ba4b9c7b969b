"""JSON: one object on each line (JSON lines), or one array of objects; their columns and types may
differ."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmbm.data.readers.content import check_content
from mmbm.data.readers.encoding import find_encoding, wrong_encoding
from mmbm.data.readers.options import Decided, ReadOptions
from mmbm.data.readers.plain import MISMATCH, plain_type
from mmbm.data.readers.python import array, from_python
from mmbm.errors import TableError

BATCH_ROWS, BATCH_BYTES = 8192, 4_000_000


def read_jsonl(
    path: Path, options: ReadOptions
) -> tuple[pa.Schema, Iterator[pa.RecordBatch], Decided]:
    """Two passes: the first finds each column's type, for the rows may differ in it."""
    check_content(path, json=True)
    encoding, note = options.encoding, ""
    if encoding is None:
        encoding, note = find_encoding(path)
    schema, decoder = pa.schema([]), Decoder()
    for rows in _json_rows(path, encoding, decoder):
        schema = _unite(schema, from_python(rows).schema)
    schema = pa.schema([(field.name, plain_type(field.type)) for field in schema])
    batches = (_to_batch(rows, schema) for rows in _json_rows(path, encoding, Decoder()))
    found = {"encoding": encoding} if note else {}
    notes = tuple(filter(None, (note, decoder.note(path))))
    return schema, batches, Decided({**found, **options.given()}, notes)


class Twice(ValueError):
    """Reject a key that occurs twice in one object: parsers differ in the value they keep."""


class Decoder:
    """Parses JSON values; rejects duplicate keys, and counts numbers that aren't JSON."""

    def __init__(self) -> None:
        self.constants: Counter[str] = Counter()
        self.json = json.JSONDecoder(object_pairs_hook=_once, parse_constant=self._constant)

    def __call__(self, text: str) -> Any:
        return self.json.decode(text)

    def note(self, path: Path) -> str:
        if not self.constants:
            return ""
        named = ", ".join(f"{word} ({count} times)" for word, count in self.constants.items())
        return (
            f"{path}: has numbers that JSON doesn't know: {named}. NaN is read as an absent cell; "
            "Infinity is a bad cell in a column of numbers. Write null where there is no number."
        )

    def _constant(self, word: str) -> float:
        self.constants[word] += 1
        return float(word)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise Twice(f"the key {key!r} stands twice in one object; keep one of the two")
    return made


def _json_rows(path: Path, encoding: str, decode: Decoder) -> Iterator[list[dict[str, Any]]]:
    """Chunks of rows: of JSON lines, or of a file that is one array of objects."""
    whole = path.suffix.lower() == ".json" or _starts_array(path)
    if whole and (rows := _array(path, encoding, decode)) is not None:
        yield from (rows[i : i + BATCH_ROWS] for i in range(0, len(rows), BATCH_ROWS))
        return
    yield from _lines(path, encoding, decode)


def _starts_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:2] in (b"[{", b"[\n", b"[\r")


def _array(path: Path, encoding: str, decode: Decoder) -> list[dict[str, Any]] | None:
    """The rows of a file that is an array of objects, or an object that holds one: {"data": […]}.
    None if it has more lines after the first value, as JSON lines do. Raises TableError."""
    try:
        text = path.read_text(encoding=encoding)
    except UnicodeError as error:
        raise wrong_encoding(path, encoding) from error
    except LookupError as error:
        raise TableError(f"{path}: data.encoding: there is no encoding {encoding!r}.") from error
    try:
        value = decode(text.removeprefix("\ufeff"))
    except Twice as error:
        raise TableError(f"{path}: {_which(text)}{error}.") from error
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] == "[":
            raise TableError(f"{path}: is not JSON: {error}.") from error
        return None
    if isinstance(value, dict):
        value = _inner(path, value)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise TableError(
            f"{path}: is not a table: a .json file is an array of objects [{{column: cell, …}}, …] "
            "or has one object on each line. Save it like that."
        )
    return value


def _inner(path: Path, value: dict[str, Any]) -> Any:
    """Rows under the only key that has an array of objects; columns {name: {row: cell}} as pandas
    writes them; None for one row of JSON lines."""
    names, cells = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(cells, list):  # as pandas' orient="split"
        return [dict(zip(map(str, names), row)) for row in cells if isinstance(row, list)]
    arrays = {k: v for k, v in value.items() if isinstance(v, list) and v
              and isinstance(v[0], dict)}  # fmt: skip
    if len(arrays) > 1:
        return _splits(path, arrays)
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    columns = list(value.values())
    if columns and all(isinstance(c, dict) and c.keys() == columns[0].keys() for c in columns):
        return [{name: value[name][row] for name in value} for row in columns[0]]
    lengths = {len(c) if isinstance(c, list) else -1 for c in columns}
    if len(lengths) == 1 and max(lengths) > 1:
        return [dict(zip(value, cells)) for cells in zip(*columns)]
    return None


def _splits(path: Path, arrays: dict[str, list[Any]]) -> list[Any]:
    """{"train": […], "test": […]}: all rows, with a column of the split. Raises TableError."""
    from mmbm.data.split import SYNONYMS  # it has the names of splits, which are a table's

    names = ", ".join(arrays)
    if not all(key.lower() in SYNONYMS for key in arrays):
        raise TableError(
            f"{path}: holds {len(arrays)} tables ({names[:80]}): save the one you mean as a file "
            "of its own, an array of objects."
        )
    rows = [(SYNONYMS[key.lower()], row) for key, array in arrays.items() for row in array]
    if any(not isinstance(row, dict) or "split" in row for _, row in rows):
        raise TableError(
            f"{path}: holds the splits {names}, and its rows have a column 'split' already, or are "
            "no objects: save it as one array of objects with a column that names the split."
        )
    return [{**row, "split": split} for split, row in rows]


def _which(text: str) -> str:
    """The row of an array with a duplicate key, as the beginning of a message."""
    decoder, place, row = Decoder().json, text.find("[") + 1, 0
    skip = re.compile(r"[\s,]*")
    while place > 0:
        start = skip.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing too
        row += 1
        try:
            place = decoder.raw_decode(text, start)[1]
        except Twice:
            return f"row {row}: "
        except ValueError:
            break
    return ""


def _lines(path: Path, encoding: str, decode: Decoder) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    size = 0
    try:
        with path.open(encoding=encoding) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = decode(line)
                except Twice as error:
                    raise TableError(f"{path}: line {number}: {error}.") from error
                except (ValueError, RecursionError) as error:
                    raise TableError(_json_problem(path, number, line, error)) from error
                if not isinstance(row, dict):
                    raise TableError(
                        f"{path}: line {number} is not an object {{column: cell, …}}: a table of "
                        "JSON has one on each line."
                    )
                rows.append(row)
                size += len(line)
                if size > BATCH_BYTES or len(rows) == BATCH_ROWS:
                    yield rows
                    rows, size = [], 0
    except UnicodeError as error:
        raise wrong_encoding(path, encoding) from error
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
    """Columns of both; a type that holds the values of both, text as the last resort."""
    fields = {field.name: field.type for field in one}
    for field in other:
        if field.name not in fields:
            fields[field.name] = field.type
            continue
        pair = [pa.schema([("x", t)]) for t in (fields[field.name], field.type)]
        try:
            fields[field.name] = pa.unify_schemas(pair, promote_options="permissive").field(0).type
        except MISMATCH:
            fields[field.name] = pa.string()
    return pa.schema(list(fields.items()))


def _to_batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [array([row.get(f.name) for row in rows], f.type) for f in schema]
    return pa.record_batch(arrays, schema=schema)
