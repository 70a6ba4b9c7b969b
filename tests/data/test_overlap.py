"""A bundle knows its rows: what it trained on is never measured in silence."""

import csv

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import mmbm
from mmbm.bundle import ROWS
from mmbm.cells import urls
from mmbm.config.load import parse
from mmbm.data import prepare
from mmbm.data.check import check
from mmbm.data.overlap import members
from mmbm.data.table import Table, open_table
from mmbm.errors import TableError
from mmbm.kinds.image.column import ImageColumn


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rows")


@pytest.fixture(scope="module")
def frame():
    """Labels of pure chance, which a model can only know by heart."""
    generator = np.random.default_rng(1)
    return pd.DataFrame(
        {"code": [f"c{i}" for i in range(80)], "n": generator.random(80).round(6),
         "label": generator.choice(["a", "b"], 80)}
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(folder, frame):
    frame.to_csv(folder / "t.csv", index=False)
    config = {
        "data": {"table": str(folder / "t.csv")},
        "inputs": {"code": {"kind": "category"}, "n": {"kind": "number"}},
        "targets": {"label": {"kind": "category"}},
        "train": {"epochs": 3, "batch_size": 8, "golden_rows": 2},
    }
    return mmbm.train(config, run=folder / "run")


def test_the_training_table_is_measured_on_its_test_rows_in_any_order_and_format(
    bundle, folder, frame
):
    expected = bundle.metrics["test"]
    assert bundle.evaluate(folder / "t.csv") == expected
    shuffled = frame.sample(frac=1, random_state=3)
    shuffled.to_parquet(folder / "other.parquet")
    for table in (folder / "other.parquet", shuffled):
        again = bundle.evaluate(table)
        assert again["rows"] == expected["rows"]
        assert again["targets"]["label"]["accuracy"] == expected["targets"]["label"]["accuracy"]


def test_rows_that_trained_are_left_out_and_said(bundle, folder, frame, capsys):
    more = pd.concat([frame, pd.DataFrame({"code": ["new"], "n": [0.5], "label": ["a"]})])
    assert bundle.evaluate(more)["rows"] == 17
    said = capsys.readouterr().err
    assert "64 of 81 rows are left out, as the model was trained on them; 17 are measured" in said
    assert "(16 of the test split, 1 new)" in said


def test_another_table_is_measured_whole_and_said(bundle, capsys):
    fresh = pd.DataFrame({"code": [f"z{i}" for i in range(50)], "n": 0.25, "label": "a"})
    assert bundle.evaluate(fresh)["rows"] == 50
    assert "no row of it was trained on; all 50 are measured" in capsys.readouterr().err
    with pytest.raises(TableError, match="no usable rows in the train split"):
        bundle.evaluate(fresh, split="train")


def test_a_table_of_trained_rows_alone_is_measured_with_a_warning(bundle, folder, frame, capsys):
    train = bundle.evaluate(frame, split="train")
    assert train["rows"] == 56
    capsys.readouterr()
    bundle.evaluate(frame, split=None)
    assert "64 of the 80 rows that are measured are rows that the model was" in (
        capsys.readouterr().err
    )


def test_the_bundle_keeps_eight_bytes_a_row_and_no_cells(bundle):
    assert (bundle.path / ROWS).stat().st_size < 80 * 8 + 400


def test_each_known_row_is_found_once():
    digests = np.array([5, 7, 5, 5, 9], np.uint64)
    known = np.array([5, 5, 9], np.uint64)
    assert members(digests, known).tolist() == [True, False, True, False, True]
    assert not members(digests, known[:0]).any()
    assert members(digests[:0], known).tolist() == []


@pytest.mark.parametrize(
    "inputs", [{"text": {"kind": "text"}}, {"n": {"kind": "number"}}, {"c": {"kind": "category"}}]
)
def test_repeated_rows_across_splits_are_reported_for_every_kind(inputs, tmp_path):
    generator = np.random.default_rng(2)
    rows = pd.DataFrame(
        {"text": [" ".join(generator.choice(list("abcdefgh"), 9)) for _ in range(40)],
         "n": generator.random(40), "c": [f"v{i}" for i in range(40)],
         "label": generator.choice(["a", "b"], 40)}
    )  # fmt: skip
    config = parse(
        {"data": {"table": "t.csv"}, "inputs": inputs, "targets": {"label": {"kind": "category"}}}
    )
    several = pd.concat([rows] * 3).sample(frac=1, random_state=1)
    said = " ".join(check(config, tmp_path, tmp_path / "q.csv", several))
    assert "test rows have the same inputs as a train row (duplicates)" in said
    said = " ".join(check(config, tmp_path, tmp_path / "q.csv", rows))
    assert "duplicates" not in said
    empty = rows.assign(**{name: [None] * 20 + list(rows[name][20:]) for name in inputs})
    said = " ".join(check(config, tmp_path, tmp_path / "q.csv", empty))
    assert "duplicates" not in said, "rows without any input are alike in nothing"


# ── no more is decoded than is measured ──────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A table of pictures and a bundle of each way to divide it."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(2)
    for i in range(200):
        Image.fromarray(generator.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{i}.png")
    frame = pd.DataFrame(
        {"photo": [f"{i}.png" for i in range(200)], "label": generator.choice(["a", "b"], 200),
         "split": ["train"] * 140 + ["valid"] * 20 + ["test"] * 40, "day": range(200)}
    )  # fmt: skip
    frame.to_csv(folder / "t.csv", index=False)
    return folder, frame


@pytest.mark.parametrize("rule", ["split", {"seed": 3}, {"time": "day"}], ids=str)
def test_evaluating_a_split_of_the_training_table_decodes_only_its_rows(
    pictures, tmp_path, monkeypatch, capsys, rule
):
    folder, frame = pictures
    config = {
        "data": {"table": str(folder / "t.csv"), "split": rule},
        "inputs": {"photo": {"kind": "image", "size": 8}},
        "targets": {"label": {"kind": "category"}},
        "train": {"epochs": 1, "batch_size": 8, "golden_rows": 2},
    }
    bundle = mmbm.train(config, run=tmp_path / "run")
    decoded = []
    decode = ImageColumn.decode
    monkeypatch.setattr(ImageColumn, "decode", lambda s, c: decoded.append(c) or decode(s, c))

    capsys.readouterr()
    assert bundle.evaluate(folder / "t.csv") == bundle.metrics["test"]
    assert len(set(decoded) - {None}) == 40
    if rule != "split":
        assert "40 of 200 rows are test rows, as in training" in capsys.readouterr().err

    shuffled = frame.sample(frac=1, random_state=3)  # another division: its rows tell
    again = bundle.evaluate(shuffled, root=folder)
    assert again["rows"] == 40
    loss = bundle.metrics["test"]["targets"]["label"]["log_loss"]
    assert again["targets"]["label"]["log_loss"] == pytest.approx(loss)


def test_the_cells_of_a_quarantine_are_read_in_one_pass_and_no_url_for_its_path(
    tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(urls, "read", lambda url, *_: asked.append(url) or b"no picture")
    places = ["http://x.org/a.png", "gone.png", {"path": "http://x.org/b.png"}, None, "none.png"]
    good = str(tmp_path / "good.png")
    Image.new("RGB", (8, 8)).save(good)
    table = pa.table({
        "photo": [*(p["path"] if isinstance(p, dict) else p for p in places), *[good] * 20],
        "label": ["a", "b"] * 12 + ["a"],
    })  # fmt: skip
    config = parse({
        "data": {"table": "t.csv", "root": str(tmp_path), "split": {"valid": 0.2, "test": 0.2}},
        "inputs": {"photo": {"kind": "image", "size": 8}},
        "targets": {"label": {"kind": "category"}},
    })  # fmt: skip
    reads = []
    cells = Table.cells
    monkeypatch.setattr(Table, "cells", lambda self, name, rows=None: (
        reads.append(name) or cells(self, name, rows)
    ))  # fmt: skip
    stores, stored = {}, prepare.open_store
    monkeypatch.setattr(
        prepare, "open_store", lambda name, *a: stores.setdefault(name, stored(name, *a))
    )
    prepare.prepare(config, tmp_path / "cache", tmp_path / "q.csv", table=table)
    with (tmp_path / "q.csv").open(encoding="utf-8") as file:
        listed = {int(row["row"]): row["path"] for row in csv.DictReader(file)}
    assert set(listed) == {1, 2, 3, 5}
    assert [bool(listed[row]) for row in (1, 2, 3, 5)] == [False, True, False, True]
    before = (reads.count("photo"), len(asked))
    bad = sorted((row, "photo") for row in stores["photo"].reasons)
    opened = open_table(table, root=tmp_path)
    prepare.write_quarantine(tmp_path / "q.csv", config, opened, stores, bad)
    assert (reads.count("photo"), len(asked)) == (before[0] + 1, before[1])
