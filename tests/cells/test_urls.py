"""Media behind URLs: read once, side by side and bounded; again where they could not be read."""

import io
import threading
import time
import zipfile

import fsspec
import numpy as np
import pytest
from PIL import Image

from mmbm.cells import urls
from mmbm.config.load import parse
from mmbm.data import store as stores
from mmbm.data.prepare import prepare
from mmbm.kinds.column import Storage

ROWS = 40


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(file, "png")
    return file.getvalue()


@pytest.fixture
def places():
    """Pictures at URLs."""
    memory = fsspec.filesystem("memory")
    for i in range(ROWS):
        memory.pipe(f"/urls/{i}.png", png(5 * i))
    yield [f"memory://urls/{i}.png" for i in range(ROWS)]
    memory.rm("/urls", recursive=True)


@pytest.fixture
def asked(monkeypatch):
    """What was read, and at most how much of it."""
    reads, read = [], urls.read
    monkeypatch.setattr(urls, "read", lambda url, root, most: (
        reads.append((url, most)) or read(url, root, most)
    ))  # fmt: skip
    return reads


def prepared(cells, folder, **data):
    """The pictures of all rows, and the store of them."""
    config = parse({
        "data": {"table": "t.csv", "split": {"valid": 0.2, "test": 0.0}, "root": str(folder),
                 "bad_cells": "missing", **data},
        "inputs": {"photo": {"kind": "image", "size": 8, "max_bytes": 5000}},
        "targets": {"label": {"kind": "category"}},
    })  # fmt: skip
    table = {"photo": cells, "label": ["a", "b"] * (len(cells) // 2)}
    store = prepare(config, folder / "cache", table=table).splits["train"].stores["photo"]
    return store.gather(np.arange(len(cells))), store


def test_a_second_prepare_reads_no_url(places, asked, tmp_path):
    first, _ = prepared(places, tmp_path)
    assert sorted(asked) == sorted((place, 5000) for place in places)
    again, _ = prepared(places, tmp_path)
    assert len(asked) == ROWS
    assert (first.values == again.values).all()
    assert first.values[7, 0, 0, 0] == 35


def test_rehash_reads_urls_within_their_bound_and_sees_a_change(places, asked, tmp_path):
    prepared(places, tmp_path, rehash=True)
    fsspec.filesystem("memory").pipe("/urls/7.png", png(250))
    prepared(places, tmp_path)  # a URL stands for what it gave
    again, _ = prepared(places, tmp_path, rehash=True)
    assert again.values[7, 0, 0, 0] == 250
    assert {most for _, most in asked} == {5000}


def test_urls_are_read_side_by_side(places, tmp_path, monkeypatch):
    lock, read = threading.Lock(), urls.read
    now, most = set(), []

    def slow(*arguments):
        with lock:
            now.add(threading.get_ident())
            most.append(len(now))
        time.sleep(0.02)
        with lock:
            now.discard(threading.get_ident())
        return read(*arguments)

    monkeypatch.setattr(urls, "read", slow)
    prepared(places, tmp_path)
    assert max(most) >= 8


def test_a_url_that_could_not_be_read_is_read_when_it_can_be(places, asked, tmp_path, capsys):
    memory = fsspec.filesystem("memory")
    for i in (3, 4, 39):
        memory.rm(f"/urls/{i}.png")
    before, first = prepared(places, tmp_path)
    assert np.flatnonzero(~before.present).tolist() == [3, 4, 39]
    memory.pipe("/urls/3.png", png(99))
    memory.pipe("/urls/39.png", b"no picture")
    asked.clear()
    after, second = prepared(places, tmp_path)
    assert sorted(asked) == [(places[i], 5000) for i in (3, 39, 4)]
    assert "photo: 2 URLs that could not be read before are read now" in capsys.readouterr().err
    assert np.flatnonzero(~after.present).tolist() == [4, 39]
    assert after.values[3, 0, 0, 0] == 99
    assert (after.values[5:39] == before.values[5:39]).all()
    assert "not" in second.reasons[39]
    assert first.name != second.name  # features of it are computed anew
    assert len(set(second.digests.tolist())) == ROWS - 1  # 0 for both that are absent
    asked.clear()
    _, third = prepared(places, tmp_path)
    assert [url for url, _ in asked] == [places[4]]
    assert third.name == second.name


def test_a_picture_in_an_archive_that_changed_is_read_again(tmp_path, asked):
    def write(shade):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for i in range(4):
                archive.writestr(f"{i}.png", png(shade + i))

    cells = [f"zip://{i}.png::a.zip" for i in range(4)]
    write(10)
    first, _ = prepared(cells, tmp_path)
    prepared(cells, tmp_path)
    assert len(asked) == 4
    write(200)
    again, _ = prepared(cells, tmp_path)
    assert (first.values[2, 0, 0, 0], again.values[2, 0, 0, 0]) == (12, 202)


@pytest.mark.parametrize("ragged", [True, False])
def test_replaced_cells_are_those_that_were_decoded(ragged):
    storage = Storage("int16", () if ragged else (3,), ragged=ragged)
    arrays = [np.arange(3 + i * ragged, dtype=np.int16) for i in range(5)]
    old = stores.record([(arrays[0], None), (None, "bad"), (arrays[2], None)], storage)
    made = stores.replaced(old, {1: (arrays[4], None), 2: (None, "gone")}, storage)
    assert made == stores.record([(arrays[0], None), (arrays[4], None), (None, "gone")], storage)
