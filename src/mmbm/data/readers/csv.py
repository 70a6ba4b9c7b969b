"""csv and tsv, by Arrow, block by block; errors name their row."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from mmbm.data.readers.content import check_content
from mmbm.data.readers.delimiter import USUAL
from mmbm.data.readers.encoding import find_encoding, wrong_encoding
from mmbm.data.readers.layout import Layout, cure, find_layout
from mmbm.data.readers.options import Decided, ReadOptions
from mmbm.data.readers.swallowed import (
    check_header_again,
    check_quotes,
    check_swallowed,
    has_lines,
    unclosed,
)
from mmbm.data.readers.zeros import check_zero_names, has_zeros, zeros_refused
from mmbm.errors import TableError

_BLOCKS = (1 << 20, 32 << 20, 1 << 30)
"""Bytes of a csv read at a time (Arrow reads about 40 blocks ahead); the next size if one row, with
an image in it or of very many columns, is longer."""
WIDE = 1000
"""Columns above which a block should hold many rows: each block is an array for each column."""


def read_csv(
    path: Path, options: ReadOptions
) -> tuple[pa.Schema, Iterator[pa.RecordBatch], Decided]:
    check_content(path)
    _check_marks(path, options)
    encoding, note = options.encoding, ""
    if encoding is None:
        encoding, note = find_encoding(path)
    try:
        layout = find_layout(path, encoding, options)
    except LookupError as error:
        raise TableError(f"{path}: data.encoding: there is no encoding {encoding!r}.") from error
    except UnicodeError as error:
        raise wrong_encoding(path, encoding) from error
    except (csv.Error, OSError) as error:
        raise TableError(f"{path}: can't be read as a csv: {error}.") from error
    zeros = not encoding.startswith(("utf-16", "utf-32")) and has_zeros(path)
    check_zero_names(path, layout.names)
    schema = pa.schema([(name, pa.string()) for name in layout.names])
    found = {"encoding": encoding} if note or encoding.startswith(("utf-16-", "utf-32-")) else {}
    found |= {"skip": layout.skip} if layout.skip else {}
    found |= {"escape": layout.escape} if layout.escape else {}
    unusual = layout.delimiter not in USUAL
    found |= {"delimiter": layout.delimiter} if layout.skip or unusual else {}
    decided = Decided({**found, **options.given()}, tuple(filter(None, (note, *layout.notes))))
    batches = _csv(path, encoding, layout)
    return schema, zeros_refused(path, batches) if zeros else batches, decided


def _check_marks(path: Path, options: ReadOptions) -> None:
    for option, mark in (("delimiter", options.delimiter), ("escape", options.escape)):
        if mark is not None and (len(mark) != 1 or not mark.isascii() or mark in '"\r\n\0'):
            raise TableError(
                f"{path}: {option} {mark!r} can't be used: it is one ASCII character, and no quote "
                "or end of line. Save the table with commas or tabs between its cells."
            )


def _csv(path: Path, encoding: str, layout: Layout) -> Iterator[pa.RecordBatch]:
    done, lines = 0, False
    blocks = _BLOCKS[1:] if len(layout.names) > WIDE else _BLOCKS
    for block in blocks:
        try:
            skip = done
            for batch in _csv_blocks(path, encoding, layout, block):
                fresh = batch.slice(min(skip, batch.num_rows))
                skip -= batch.num_rows - fresh.num_rows
                if fresh.num_rows:
                    check_header_again(path, fresh, done)
                    if layout.quote and has_lines(fresh):
                        check_swallowed(path, fresh, layout, done)
                        lines = True
                    done += fresh.num_rows
                    yield fresh
                    last = fresh
            if done and layout.quote:
                _check_last_quote(path, last)
            if lines:
                check_quotes(path, encoding, layout)
            return
        except UnicodeError as error:
            raise wrong_encoding(path, encoding) from error
        except pa.ArrowInvalid as error:
            text = str(error)
            if "straddl" in text and block != blocks[-1]:
                continue  # a row longer than the block: continue from there with a larger one
            if "straddl" in text and not done:
                raise TableError(f"{path}: has no rows.") from error
            if "invalid UTF8" in text:
                raise wrong_encoding(path, encoding) from error
            raise TableError(f"{path}: {_csv_problem(text)}") from error


def _csv_blocks(path: Path, encoding: str, layout: Layout, block: int) -> Iterable[pa.RecordBatch]:
    read = pacsv.ReadOptions(
        use_threads=False,  # so that an error names its row
        block_size=block,
        column_names=layout.names,
        skip_rows=layout.skip,
        skip_rows_after_names=1,
        encoding="utf8" if encoding.startswith("utf-8") else encoding,
    )
    convert = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in layout.names},
        null_values=[""],
        strings_can_be_null=True,
    )
    parse_options = pacsv.ParseOptions(
        delimiter=layout.delimiter,
        quote_char='"' if layout.quote else False,
        escape_char=layout.escape or False,
        newlines_in_values=True,
    )
    return pacsv.open_csv(
        path, read_options=read, parse_options=parse_options, convert_options=convert
    )


def _csv_problem(text: str) -> str:
    where, _, problem = text.removeprefix("CSV parse error: ").partition(": ")
    if where.startswith("Row #") and problem.startswith("Expected"):
        counts, _, row = problem.partition(": ")
        expected, got = (part.split()[-1] for part in counts.replace(" columns", "").split(", "))
        if '"' in row and "\n" in row:
            return unclosed(f"row {where[5:]}", f"is never closed: {row.splitlines()[0][:80]!r}")
        return (
            f"row {where[5:]} of the file (the header is row 1) has {got} of {expected} "
            f"cells: {row[:80]!r}. {cure(row, int(got) < int(expected))}"
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
