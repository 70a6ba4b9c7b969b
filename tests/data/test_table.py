"""Any table, one behaviour; and a sentence for each way a table can be wrong."""

import csv
import datetime
import decimal
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbm.data.table import Table, open_table
from mmbm.errors import TableError

ROWS = [
    {"photo": "a.png", "remark": "你好, world", "speed": 1.5},
    {"photo": "b.png", "remark": None, "speed": 2.0},
    {"photo": "c.png", "remark": 'say "hi"\nplease', "speed": None},
]


def rows_of(table: Table) -> list[dict]:
    return [table.row(i) for i in range(table.rows)]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def as_csv(rows: list[dict], delimiter: str = ",") -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


# ── every source ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow", "jsonl"])
def test_a_typed_file_gives_the_same_rows(ending: str, tmp_path: Path):
    path = tmp_path / f"table.{ending}"
    data = pa.Table.from_pylist(ROWS)
    if ending == "parquet":
        pa.parquet.write_table(data, path)
    elif ending == "feather":
        pa.feather.write_feather(data, path)
    elif ending == "arrow":
        with pa.ipc.new_stream(path, data.schema) as writer:
            writer.write_table(data)
    else:
        path.write_text("\n".join(json.dumps(row) for row in ROWS))

    table = open_table(path)

    assert rows_of(table) == ROWS
    assert (table.rows, table.names, table.root) == (3, ["photo", "remark", "speed"], tmp_path)


@pytest.mark.parametrize("kind", ["rows", "columns", "pyarrow", "pandas", "polars", "polars lazy"])
def test_a_table_from_python_gives_the_same_rows(kind: str):
    import pandas
    import polars

    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    source = {
        "rows": lambda: ROWS,
        "columns": lambda: columns,
        "pyarrow": lambda: pa.table(columns),
        "pandas": lambda: pandas.DataFrame(columns, index=[7, 8, 9]),
        "polars": lambda: polars.DataFrame(columns),
        "polars lazy": lambda: polars.LazyFrame(columns),
    }[kind]()

    assert rows_of(open_table(source)) == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_is_text_whatever_its_delimiter(delimiter: str, tmp_path: Path):
    rows = [
        {"a": "007", "b": "x, y; z|w\tv", "c": None},
        {"a": "1.50", "b": "two\nlines", "c": "é"},
    ]

    table = open_table(write(tmp_path / "t.csv", as_csv(rows, delimiter)))

    assert rows_of(table) == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gbk"])
def test_a_csv_in_another_encoding_is_read(encoding: str, tmp_path: Path):
    path = write(tmp_path / "t.csv", "label,text\n1,你好世界\n".encode(encoding))
    given = encoding if encoding in ("gbk", "utf-16-le") else None  # the others are found

    assert open_table(path, encoding=given).row(0) == {"label": "1", "text": "你好世界"}


def test_a_cell_may_be_longer_than_a_block(tmp_path: Path):
    long = "x" * 9_000_000
    rows = [{"a": str(i), "b": long if i in (5, 900) else "short"} for i in range(1000)]

    table = open_table(write(tmp_path / "t.csv", as_csv(rows)))

    assert table.rows == 1000
    assert [i for i, cell in enumerate(table.cells("b")) if cell == long] == [5, 900]
    assert list(table.cells("a")) == [str(i) for i in range(1000)]


def test_rows_of_json_may_differ_in_columns_and_types(tmp_path: Path):
    rows = [{"a": 1, "b": "x"}, {"a": 2.5, "c": ["p", "q"]}, {"b": 7}]
    path = write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")

    assert rows_of(open_table(path)) == [
        {"a": 1.0, "b": "x", "c": None},
        {"a": 2.5, "b": None, "c": ["p", "q"]},
        {"a": None, "b": "7", "c": None},
    ]


def test_special_types_become_plain_cells():
    data = pa.table(
        {
            "date": [datetime.date(2024, 2, 3)],
            "time": [datetime.datetime(2024, 2, 3, 4, 5, tzinfo=datetime.UTC)],
            "price": [decimal.Decimal("1.50")],
            "kind": pa.array(["x"]).dictionary_encode(),
            "nothing": pa.nulls(1),
            "bytes": [b"\xff"],
        }
    )

    row = open_table(data).row(0)

    assert row["date"] == "2024-02-03"
    assert row["time"].startswith("2024-02-03 04:05:00")
    assert (row["price"], row["kind"], row["nothing"], row["bytes"]) == (1.5, "x", None, b"\xff")


def test_python_cells_of_mixed_types_keep_their_meaning():
    table = open_table([{"a": b"bytes", "b": Path("p/q.png")}, {"a": "path.png", "b": 3.0}])

    assert list(table.cells("a")) == [
        {"bytes": b"bytes", "path": None},
        {"bytes": None, "path": "path.png"},
    ]
    assert list(table.cells("b")) == ["p/q.png", "3"]


# ── access ───────────────────────────────────────────────────────────────────────────────────────


def test_cells_come_in_the_order_of_the_rows_asked_for():
    chunks = pa.chunked_array([[0, 1, 2], [], [3, 4], [5, 6, 7, 8, 9]])
    table = open_table(pa.table({"n": chunks, "s": [str(i) for i in range(10)]}))
    rows = np.random.default_rng(0).integers(0, 10, 500)

    assert list(table.cells("n", rows)) == rows.tolist()
    assert list(table.cells("s", rows)) == [str(i) for i in rows]
    assert list(table.cells("n")) == list(range(10))
    assert list(table.cells("n", np.array([], dtype=np.int64))) == []


def test_memory_stays_flat_while_a_large_file_is_read(tmp_path: Path):
    import subprocess
    import sys

    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write("a,b\n")
        for i in range(1000):
            file.writelines(f"{i * 1000 + j},{'x' * 100}\n" for j in range(1000))
    code = (
        "import sys, pyarrow; from mmbm.data.table import open_table; "
        "t = open_table(sys.argv[1]); n = sum(len(c) for c in t.cells('b')); "
        "print(n, pyarrow.default_memory_pool().max_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    characters, peak = map(int, done.stdout.split())

    assert characters == 100_000_000
    assert peak < 60_000_000  # bytes; the table has 108 MB


def test_a_missing_column_names_the_nearest():
    table = open_table({"label": [1], "image": [2]})

    with pytest.raises(
        TableError, match=r"no column 'lable'. Did you mean 'label'\?.*label, image"
    ):
        table.column("lable")


# ── cache and identity ───────────────────────────────────────────────────────────────────────────


def test_a_cached_copy_is_reused_until_the_file_changes(tmp_path: Path):
    path = write(tmp_path / "t.csv", "a\n1\n")
    cache = tmp_path / "cache"
    first = open_table(path, cache=cache)
    (copy,) = cache.glob("*.arrow")
    made = copy.stat().st_mtime_ns

    again = open_table(path, cache=cache)
    assert again.digest == first.digest
    assert copy.stat().st_mtime_ns == made

    write(path, "a\n1\n2\n")
    changed = open_table(path, cache=cache)
    assert changed.digest != first.digest
    assert changed.rows == 2


def test_a_damaged_copy_is_written_again(tmp_path: Path):
    path = write(tmp_path / "t.csv", "a\n1\n")
    open_table(path, cache=tmp_path / "cache").close()
    (copy,) = (tmp_path / "cache").glob("*.arrow")
    copy.write_bytes(copy.read_bytes()[:50])

    assert open_table(path, cache=tmp_path / "cache").row(0) == {"a": "1"}


def test_a_failed_read_leaves_nothing_in_the_cache(tmp_path: Path):
    path = write(tmp_path / "t.csv", "a,b\n1,2\n3\n")

    with pytest.raises(TableError):
        open_table(path, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_closing_removes_the_temporary_copy(tmp_path: Path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    table = open_table(write(tmp_path / "t.csv", "a\n1\n"))
    assert list(tmp_path.glob("mmbm-*/*.arrow"))

    table.close()

    assert not list(tmp_path.glob("mmbm-*"))


def test_the_digest_of_a_table_in_memory_is_of_its_content():
    one, same, other = (open_table({"a": cells}) for cells in ([1, 2], [1, 2], [1, 3]))

    assert one.digest == same.digest != other.digest


# ── what can be wrong ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n", "has no rows"),
        ("t.csv", b"\n\n", "first row is empty"),
        ("t.csv", b"a,b,a\n1,2,3\n", "two columns are called 'a'"),
        ("t.csv", b"a,b\n1,2\n3\n", r"row 3 of the file .* has 1 of 2 cells: '3'"),
        ("t.csv", b"a,b\n1,2,3\n", r"row 2 of the file .* has 3 of 2 cells"),
        ("t.csv", b"image/1.png,cat\nimage/2.png,dog\n", r"'image/1\.png' looks like data"),
        ("t.csv", b"0.25,0.5\n0.75,1\n", r"'0\.25' looks like data"),
        ("t.csv", b'a,b\n1,2\n3,"open\n4,5\n', "opened and never closed"),
        ("t.csv", "a\ndobrý\n".encode("cp1250"), r"byte 6 \(line 2\) is not UTF-8.*'dobrý'"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "line 2 is not an object"),
        ("t.json", b'[{"a": 1},', "is not JSON"),
        ("t.json", b"[1, 2]", "array of objects"),
        ("t.parquet", b"PAR1 nonsense PAR1", "can't be read as parquet"),
        ("t.arrow", b"nonsense", "can't be read as Arrow"),
        ("t.xlsx", b"PK", r"Excel workbook: save its table as \.csv"),
        ("t.md", b"# a", r"unknown kind of table '\.md'.*\.parquet"),
    ],
)
def test_a_wrong_file_is_refused_with_what_and_where(name, content, message, tmp_path: Path):
    path = write(tmp_path / name, content)

    with pytest.raises(TableError, match=message) as error:
        open_table(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(TableError, match="no such file"):
        open_table(tmp_path / "absent.csv")
    with pytest.raises(TableError, match="is a folder"):
        open_table(tmp_path)


def test_an_unknown_encoding_is_refused(tmp_path: Path):
    with pytest.raises(TableError, match="no encoding 'utf-9'"):
        open_table(write(tmp_path / "t.csv", "a\n1\n"), encoding="utf-9")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "can't make a table of a int"),
        ([1, 2], "must be one of dicts"),
        ({"a": [1], "b": [1, 2]}, "differ in length"),
        ({"a": []}, "has no rows"),
        ({}, "has no columns"),
    ],
)
def test_what_is_no_table_is_refused(source, message: str):
    with pytest.raises(TableError, match=message):
        open_table(source)


@pytest.mark.parametrize("column", ["text", 1, {"0": "x"}])
def test_what_is_no_column_of_cells_is_refused(column):
    with pytest.raises(
        TableError, match=r"column 'a' is a .*, no list of cells.*\[\{column: cell\}\]"
    ):
        open_table({"a": column})


@pytest.mark.parametrize(("column", "cells"), [
    (pd.arrays.SparseArray([0, 0, 1.5]), [0.0, 0.0, 1.5]),
    (pd.PeriodIndex(["2024-01", None], freq="M"), ["2024-01", None]),
    ([2**70, 1], [str(2**70), "1"]),
])  # fmt: skip
def test_columns_of_pandas_that_arrow_lacks_keep_their_meaning(column, cells):
    frame = pd.DataFrame({"a": column})

    assert list(open_table(frame).cells("a")) == cells
    assert list(frame.columns) == ["a"]


def test_polars_whole_numbers_of_128_bits_are_read():
    polars = pytest.importorskip("polars")
    column = polars.Series([2**100, 1], dtype=polars.Int128)

    assert list(open_table(polars.DataFrame({"a": column})).cells("a")) == [str(2**100), "1"]


def test_the_index_pandas_wrote_without_a_name_is_a_column(tmp_path: Path):
    table = open_table(write(tmp_path / "t.csv", ",label\n0,x\n1,y\n"))

    assert table.names == ["column 1", "label"]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_table_error(content: bytes):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name in ("t.csv", "t.jsonl"):
            path = write(Path(folder) / name, content)
            try:
                table = open_table(path)
            except TableError:
                continue
            assert table.rows == len(rows_of(table)) > 0
            table.close()


cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=10))
def test_what_python_writes_as_csv_is_read_back(pairs: list[tuple[str, str]]):
    import tempfile

    rows = [{"a": a, "b": b, "c": "end"} for a, b in pairs]
    with tempfile.TemporaryDirectory() as folder:
        table = open_table(write(Path(folder) / "t.csv", as_csv(rows)))
        read = rows_of(table)
        table.close()

    assert read == [{name: value or None for name, value in row.items()} for row in rows]


def test_every_real_table_opens(data: Path):
    for folder in sorted(p for p in data.iterdir() if p.is_dir()):
        table = open_table(folder / "data.csv")
        assert "split" in table.names
        with (folder / "data.csv").open(encoding="utf-8", newline="") as file:
            assert table.rows == sum(1 for _ in csv.reader(file)) - 1


def test_two_pandas_columns_of_one_name_are_refused():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TableError, match="two columns are called 'a'"):
        open_table(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
