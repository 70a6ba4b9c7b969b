"""csv and tsv, by Arrow, a block at a time; what is wrong is said with its row."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from mmbm.columns.number import parse
from mmbm.errors import BadCell, TableError
from mmbm.read.encoding import find_encoding, wrong_encoding

MEDIA_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".wav", ".flac", ".mp3", ".ogg")
_BLOCKS = (1 << 20, 32 << 20, 1 << 30)
"""Bytes of a csv read at a time (Arrow reads about 40 blocks ahead); the next size if one row, with
a picture in it, is longer."""


def read_csv(
    path: Path, encoding: str | None, delimiter: str | None
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    encoding = encoding or find_encoding(path)
    try:
        delimiter = delimiter or _delimiter(path, encoding)
        with path.open(encoding=encoding, newline="") as file:
            header = next(csv.reader(file, delimiter=delimiter), [])
    except LookupError as error:
        raise TableError(f"{path}: data.encoding: there is no encoding {encoding!r}.") from error
    except UnicodeError as error:
        raise wrong_encoding(path, encoding) from error
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
            raise wrong_encoding(path, encoding) from error
        except pa.ArrowInvalid as error:
            text = str(error)
            if "straddl" in text and block != _BLOCKS[-1]:
                continue  # a row longer than the block: read on from there with a larger one
            if "invalid UTF8" in text:
                raise wrong_encoding(path, encoding) from error
            raise TableError(f"{path}: {_csv_problem(text)}") from error


def _csv_blocks(
    path: Path, encoding: str, delimiter: str, names: list[str], block: int
) -> Iterable[pa.RecordBatch]:
    read = pacsv.ReadOptions(
        use_threads=False,  # so that an error names its row
        block_size=block,
        column_names=names,
        skip_rows_after_names=1,
        encoding="utf8" if encoding.startswith("utf-8") else encoding,
    )
    convert = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        null_values=[""],
        strings_can_be_null=True,
    )
    parse_options = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    return pacsv.open_csv(
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
