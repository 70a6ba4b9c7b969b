"""A table is read as the training table was, unless it, or the caller, says otherwise."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import mmbm
from mmbm.data.reading import delimiter_of, encoding_of, is_utf8

NOTES = ["很差", "不错"]


def write(path, rows, encoding="utf-8", delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


@pytest.fixture(scope="module")
def rows():
    return [
        ["photo", "note", "label"],
        *([f"{i}.png", NOTES[i % 2], "kw"[i % 2]] for i in range(40)),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rows):
    """A GBK table with semicolons in one folder, its pictures in another, and a bundle."""
    folder = tmp_path_factory.mktemp("reading")
    (folder / "media").mkdir()
    for i in range(40):
        grey = np.full((8, 8, 3), 255 * (i % 2), "u1")
        Image.fromarray(grey).save(folder / "media" / f"{i}.png")
    write(folder / "tab/gbk.csv", rows, "gbk", ";")
    config = {
        "data": {"table": str(folder / "tab/gbk.csv"), "root": str(folder / "media"),
                 "encoding": "gbk", "delimiter": ";"},
        "inputs": {"photo": {"kind": "image", "size": 8},
                   "note": {"kind": "text", "tokenizer": "word"}},
        "targets": {"label": {"kind": "category"}},
        "train": {"epochs": 1, "batch_size": 16, "golden_rows": 2},
    }  # fmt: skip
    mmbm.train(config, run=folder / "run")
    return folder


@pytest.fixture(scope="module")
def bundle(folder):
    return mmbm.load(folder / "run/bundle")


def answered(bundle, table, **how):
    return [row["error"] for row in bundle.predict(table, **how)] == [None] * 40


def test_the_training_table_is_read_as_in_training(bundle, folder):
    assert answered(bundle, folder / "tab/gbk.csv")
    assert bundle.evaluate(folder / "tab/gbk.csv")["rows"] == bundle.metrics["test"]["rows"]


def test_its_utf8_copy_is_read_as_utf8(bundle, folder, rows):
    expected = bundle.predict(folder / "tab/gbk.csv")
    for name, encoding in (("a.csv", "utf-8"), ("b.csv", "utf-8-sig"), ("c.csv", "utf-16")):
        table = write(folder / "tab" / name, rows, encoding)
        assert bundle.predict(table) == expected
        assert bundle.evaluate(table)["rows"] == bundle.metrics["test"]["rows"]


def test_what_the_caller_says_goes_first(bundle, folder, rows, tmp_path):
    table = write(tmp_path / "t.csv", rows, "gb18030", "|")
    assert not answered(bundle, table)  # no pictures there
    assert answered(bundle, table, root=folder / "media", encoding="gb18030", delimiter="|")
    report = bundle.evaluate(table, root=folder / "media")
    assert report["rows"] == bundle.metrics["test"]["rows"]


def test_a_bundle_names_no_folder_of_the_machine_it_was_trained_on(bundle, folder):
    assert str(folder) not in (bundle.path / "config.yaml").read_text()


def mmbm_(*arguments):
    command = [sys.executable, "-c", "from mmbm.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_run_in_which_no_row_could_be_read_fails(bundle, folder, rows, tmp_path):
    table = write(tmp_path / "t.csv", rows, "gbk")
    failed = mmbm_("predict", bundle.path, table, "-o", tmp_path / "o.csv")
    assert failed.returncode == 1
    assert "40 rows can't be read, of 40" in failed.stderr
    assert "row 1: photo: the file does not exist" in failed.stderr
    media = ("--root", folder / "media")
    assert mmbm_("predict", bundle.path, table, *media, "-o", tmp_path / "o.csv").returncode == 0
    assert mmbm_("evaluate", bundle.path, table).returncode == 1
    assert mmbm_("evaluate", bundle.path, table, *media, "--encoding", "gbk").returncode == 0


def test_only_text_beyond_ascii_tells_that_a_file_is_utf8(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes(b"a,b\n1,2\n")
    assert encoding_of(file, "cp1252") == "cp1252"
    file.write_text("a,b\né,2\n", encoding="utf-8")
    assert encoding_of(file, "cp1252") == "utf-8-sig"
    file.write_text("a,b\né,2\n", encoding="cp1252")
    assert encoding_of(file, "cp1252") == "cp1252"
    assert encoding_of(file, None) is None
    file.write_bytes("a,é".encode()[:-1])  # cut inside a character
    assert not is_utf8(file)


def test_a_delimiter_that_the_header_lacks_is_found_anew(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n")
    assert delimiter_of(file, None, ";") is None
    assert delimiter_of(file, None, ",") == ","
