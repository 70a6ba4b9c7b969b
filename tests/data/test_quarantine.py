"""The cells of a quarantine are read in one pass."""

import csv

import pyarrow as pa
from PIL import Image

from mmbm.cells import urls
from mmbm.config.load import parse
from mmbm.data import prepare
from mmbm.data.table import Table, open_table


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
