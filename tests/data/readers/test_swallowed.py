"""Quotes that swallow rows are refused, others are read."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import HEADER, LINES, ROWS, opened, rows_of

from mmbm.errors import TableError


def with_quotes(*changes: tuple[int, str, str], lines: list[str] = LINES) -> str:
    lines = list(lines)
    for place, old, new in changes:
        lines[place] = lines[place].replace(old, new, 1) if old else new + lines[place]
    return "\n".join([HEADER, *lines]) + "\n"


@pytest.mark.parametrize(
    "changes",
    [
        [(10, "", '"')],
        [(10, "", '"'), (24, "", '"')],
        [(10, "", '"'), (24, ",", '",')],
        [(10, "", '"'), (11, ",", '",')],
        [(10, "", '"'), (58, ",", '",')],
        [(10, "", '"'), (24, LINES[24], '"hello, world",3,n')],
    ],
    ids=[
        "never closed",
        "another opens",
        "another closes",
        "the next row",
        "far away",
        "quoted cell",
    ],
)
def test_a_quote_that_swallows_rows_is_refused_with_its_row(changes, tmp_path: Path):
    with pytest.raises(
        TableError, match=r"row 12 of the file .* opens a quote .* is (never|closed)"
    ):
        opened(tmp_path, with_quotes(*changes))


def test_two_columns_swallow_no_rows_either(tmp_path: Path):
    lines = [f"{text},{y}" for text, _, y in ROWS]
    lines[10] = '"' + lines[10]
    lines[24] = lines[24].replace(",", '",')

    with pytest.raises(TableError, match="row 12 of the file"):
        opened(tmp_path, "\n".join(["text,y", *lines]))


def test_cells_of_several_lines_are_kept(tmp_path: Path):
    poem = "first, line\nsecond, line\nthird, one, and more"
    rows = [(f"{text}\n{poem}", x, y) for text, x, y in ROWS]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([HEADER.split(","), *rows])

    assert rows_of(opened(tmp_path, buffer.getvalue())) == [
        (text.replace("\n", "\r\n").replace("\r\n", "\n"), x, y) for text, x, y in rows
    ]


def test_a_backslash_before_a_quote_is_found_and_said(tmp_path: Path):
    lines = [f'"she said \\"wait\\", then left {i}",{"ny"[i % 2]}' for i in range(20)]

    table = opened(tmp_path, "\n".join(["text,y", *lines]))

    assert table.row(0) == {"text": 'she said "wait", then left 0', "y": "n"}
    assert table.read_with == {"escape": "\\"}
    assert 'escape: "\\\\"' in table.notes[0]


def test_a_path_of_windows_in_quotes_is_no_escape(tmp_path: Path):
    lines = [f'"C:\\dir\\",{"ny"[i % 2]}' for i in range(20)]

    assert opened(tmp_path, "\n".join(["path,y", *lines])).row(0)["path"] == "C:\\dir\\"


def test_quotes_can_be_letters(tmp_path: Path):
    lines = [f'"well {i}\t{"ny"[i % 2]}' for i in range(20)]

    table = opened(tmp_path, "\n".join(["text\ty", *lines]), "t.tsv", quote=False)

    assert table.row(0) == {"text": '"well 0', "y": "n"}
    assert table.rows == 20


cell = st.text('ab ,;"\n\\', max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=6), st.booleans())
def test_what_csv_writes_is_read_or_refused_and_never_loses_rows(pairs, minimal: bool):
    import tempfile

    buffer = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL
    csv.writer(buffer, quoting=quoting).writerows(
        [["alpha", "beta", "end"], *[(a, b, "z") for a, b in pairs]]
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            table = opened(Path(folder), buffer.getvalue())
        except TableError:
            return
        assert table.rows == len(pairs)
        table.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,x\n" + "1,2,3\n" * 9, "header has 2 names, and its rows have 3 cells. Give every"),
        ("id,t,y\n" + '1, "a, b",n\n' * 9, "remove the blanks before it"),
        ("id,t,y\n" + "1,'a, b',n\n" * 9, 'quoted by " only'),
        ("id,x,y\n" + "1,2,n\n" * 30 + "Source: me\n", "row 32 .* a footer or a comment"),
        ("id,x,y\n" + "1,2,n\n" * 30 + "id,x,y\n1,2,n\n", "row 32 of the file repeats the header"),
        ("id x y\n" + "1 2 n\n" * 9, "separated by blanks"),
        ("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 9, "Markdown"),
        ("<!DOCTYPE html><html></html>", "is a web page"),
        (b"PK\x03\x04" + bytes(99), "ZIP archive.*Excel"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), r"gzip archive.*\.csv\.gz"),
        (b"PAR1" + bytes(99), "Parquet"),
        ('[{"a": 1}]', r"JSON.*\.json"),
        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("only a header", "has no rows"),
        (
            "id,é\n".encode() + "1,é\n".encode() * 9 + b"2,\xe9\n",
            "most other lines are: it is damaged",
        ),
    ],
)
def test_a_table_of_another_shape_is_refused_with_the_cure(content, message, tmp_path: Path):
    with pytest.raises(TableError, match=message):
        opened(tmp_path, content)


def test_quotes_that_are_not_doubled_are_said(tmp_path: Path):
    lines = [f'{i},"say "hi" now {i}",{"ny"[i % 2]}' for i in range(30)]

    assert "aren't doubled" in opened(tmp_path, "\n".join(["id,t,y", *lines])).notes[0]
