"""The prepared files: told with the runs that use them, cleared, and made again."""

import json
import shutil
import subprocess
import sys

import pytest
import tiny

import mmbm
from mmbm.data import cache
from mmbm.data.cache import clear, entries
from mmbm.errors import MmbmError
from mmbm.files import Lock


def config(table, *inputs):
    made = tiny.config(table, epochs=1)
    made["inputs"] = {name: made["inputs"][name] for name in inputs}
    made["targets"] = {"label": {"kind": "category"}}
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs of one table: both read the photos, one the remarks too."""
    folder = tmp_path_factory.mktemp("cache")
    table = tiny.make(folder / "data", rows=64)
    mmbm.train(config(table, "photo"), run=folder / "runs/one")
    mmbm.train(config(table, "photo", "remark"), run=folder / "runs/two")
    return folder


@pytest.fixture
def runs(trained, tmp_path):
    shutil.copytree(trained / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def users(runs) -> dict[str, list[str]]:
    return {one.what: one.runs for one in entries(runs)}


def mmbm_cache(*arguments) -> str:
    command = [sys.executable, "-m", "mmbm.cli", "cache", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout


def test_the_cache_tells_what_each_file_is_and_which_runs_use_it(runs):
    assert users(runs) == {
        "table of 9 columns": ["one", "two"],
        "photo": ["one", "two"],
        "remark": ["two"],
        "label": ["one", "two"],
    }
    told = [json.loads(line) for line in mmbm_cache("--runs", runs, "--json").splitlines()]
    assert {one["what"]: one["runs"] for one in told} == users(runs)
    assert sum(one["bytes"] for one in told) == sum(
        path.stat().st_size for path in (runs / "prepared").glob("*.arrow")
    )
    shown = mmbm_cache("--runs", runs)
    assert "remark" in shown
    assert "of no run: 0 files" in shown


def test_what_no_run_uses_is_cleared_and_the_rest_stays(runs):
    shutil.rmtree(runs / "two")
    assert users(runs)["remark"] == []
    assert "Removed 1 files" in mmbm_cache("--runs", runs, "--clear", "--unused")
    assert set(users(runs)) == {"table of 9 columns", "photo", "label"}
    assert not list((runs / "prepared").glob("remark*"))  # nor its checksum


def test_all_is_cleared_and_made_again(trained, runs):
    removed, kept = clear(runs)
    assert (len(removed), kept, list((runs / "prepared").iterdir())) == (4, [], [])
    mmbm.train(config(trained / "data/data.csv", "photo"), run=runs / "three")
    assert users(runs)["photo"] == ["one", "three", "two"]  # by its name, which is its content


def test_the_files_of_a_run_that_is_trained_stay(runs):
    lock = Lock(runs / "two" / cache.LOCK)
    try:
        shutil.rmtree(runs / "one")
        (runs / "prepared/old-1234.arrow").write_bytes(b"")
        removed, kept = clear(runs)
        assert [one.what for one in removed] == ["old"]
        assert len(kept) == 4
        (runs / "two" / cache.RECORD).unlink()  # it begins, and may be about to use any
        assert clear(runs).removed == []
    finally:
        lock.release()


def test_folds_and_features_are_told_by_their_run(tmp_path):
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared/photo-features-12ab.arrow").write_bytes(b"x")
    (tmp_path / "run/fold-1").mkdir(parents=True)
    cache.record(tmp_path / "run/fold-1", tmp_path / "prepared", ["photo-features-12ab.arrow"])
    assert users(tmp_path) == {"features of photo": ["run"]}


def test_a_folder_without_prepared_files_is_named(tmp_path):
    with pytest.raises(MmbmError, match="there is no such folder"):
        entries(tmp_path)
