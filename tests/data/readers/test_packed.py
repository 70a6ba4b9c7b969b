"""Compressed tables, and files that are no tables."""

import bz2
import gzip
import lzma
import os
import zipfile
from pathlib import Path

import pytest
from rows import HEADER, LINES, ROWS, opened, rows_of

from mmbm.data.table import open_table
from mmbm.errors import TableError


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_a_compressed_table_is_read(ending: str, pack, tmp_path: Path):
    content = "\n".join([HEADER, *LINES]).encode()

    assert rows_of(opened(tmp_path, pack(content), f"t.csv.{ending}")) == ROWS
    with pytest.raises(TableError, match=f"t.csv.{ending}: can't be unpacked .*Unpack it by hand"):
        opened(tmp_path, b"PK nonsense", f"t.csv.{ending}")


def test_a_zip_with_one_table_is_read_and_another_is_to_be_unpacked(tmp_path: Path):
    for names, message in ((["t.csv"], None), (["t.csv", "u.csv"], "2 files, 2 of them tables"),
                           (["t.csv", "a.png"], "Unpack it")):  # fmt: skip
        path = tmp_path / f"{len(names)}{names[-1]}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in [*names, "__MACOSX/._t.csv"]:
                archive.writestr(name, "\n".join([HEADER, *LINES]))
        if message is None:
            assert rows_of(open_table(path)) == ROWS
        else:
            with pytest.raises(TableError, match=message):
                open_table(path)


def test_a_file_that_would_fill_the_disk_is_not_unpacked(tmp_path: Path):
    with pytest.raises(TableError, match="more than 1000 times its size"):
        opened(tmp_path, gzip.compress(b"a" * 150_000_000, mtime=0), "t.csv.gz")


@pytest.mark.parametrize(
    "name", ["t.xlsx", "t.ods", "t.dta", "t.pkl", "t.sqlite", "t.7z", "t.unheard"]
)
def test_another_kind_of_file_is_refused_with_how_to_save_it(name: str, tmp_path: Path):
    with pytest.raises(TableError, match=r"save (its table|it) as"):
        opened(tmp_path, b"PK", name)


def test_only_regular_files_are_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "zero.csv"):
        with pytest.raises(TableError, match="not a regular file"):
            open_table(tmp_path / name)
