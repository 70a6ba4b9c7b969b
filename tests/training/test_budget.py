"""`train.minutes`: a verified bundle in the time that there is."""

import csv
import math
import time
from pathlib import Path

import numpy as np
import pairs
import pytest
import spoken
import tiny
import told
from PIL import Image

import mmbm
from mmbm import training
from mmbm.config.load import parse
from mmbm.data.prepare import prepare
from mmbm.errors import ConfigError
from mmbm.nn.members import OutOfTime, Pace, Problem
from mmbm.nn.members.classical import Classical
from mmbm.training.budget import Budget, fewer


def test_a_run_of_less_than_a_minute_is_refused():
    with pytest.raises(ConfigError, match=r"train\.minutes"):
        parse({**tiny.config(Path("t.csv")), "train": {"minutes": 0.2}})


def test_cross_validation_has_no_time_limit_and_says_so():
    made = tiny.config(Path("t.csv"), minutes=2)
    made["data"] = {"table": "t.csv", "split": {"folds": 3}}
    with pytest.raises(ConfigError, match=r"train\.minutes: cross-validation"):
        parse(made)


def test_a_member_that_would_be_late_is_given_up_after_its_first_part():
    pace = Pace(1000, time.monotonic() + 0.05)
    time.sleep(0.01)
    with pytest.raises(OutOfTime):
        pace.step()
    Pace(1000).step()  # without an end nothing is late


def test_trees_that_are_given_up_count_as_not_fitted():
    x = np.random.default_rng(0).normal(size=(200, 9)).astype(np.float32)
    goal = Problem("multiclass", (x[:, 0] > 0).astype(int), 2)
    fold = np.arange(200) % 5
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]
    features = {"image.features": x}
    members = Classical(
        ["linear", "boosting", "forest"], "multiclass", 2, {"image.features": False}
    )
    late = list(members.fit(features, goal, folds, end=0.0))
    assert [name for name, _ in late] == ["linear image"]
    assert members.fitted == [True, False, False]


def test_what_is_left_is_shared_and_some_of_it_kept_for_writing_the_bundle():
    budget = Budget(10)
    budget.finishing = 100
    assert budget.left() == pytest.approx(500, abs=1)
    assert budget.share(4) - time.monotonic() == pytest.approx(125, abs=1)
    assert math.isinf(Budget(None).share(3))
    assert Budget(None).reading is None


@pytest.mark.timeout(300)
def test_without_any_time_the_first_member_still_answers(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "Budget", lambda minutes: Budget(1e-3))
    made = {**tiny.config(table), "members": "auto"}
    bundle = mmbm.train(made, run=tmp_path / "run")
    members = [m["member"] for m in bundle.metrics["members"]["label"]]
    assert members[0].startswith("linear")
    assert "boosting" not in members
    said = capsys.readouterr().err
    assert "There is no time for these members" in said
    assert "There is no time for networks" in said
    mmbm.load(bundle.path, verify=True)


@pytest.mark.timeout(300)
def test_a_network_alone_takes_the_steps_that_there_is_time_for(table, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "Budget", lambda minutes: Budget(1e-3))
    bundle = mmbm.train(tiny.config(table, epochs=500), run=tmp_path / "run")
    mmbm.load(bundle.path, verify=True)
    lines = (tmp_path / "run/log.jsonl").read_text().splitlines()
    assert len(lines) < 10


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [pairs, spoken, told], ids=["contrastive", "transcript", "text"])
def test_targets_that_only_a_network_answers_have_a_time_limit_too(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "Budget", lambda minutes: Budget(1e-3))
    bundle = mmbm.train(kind.config(kind.make(tmp_path)), run=tmp_path / "run")
    mmbm.load(bundle.path, verify=True)


def test_of_more_rows_than_there_is_time_for_some_are_read(table, tmp_path, monkeypatch):
    monkeypatch.setattr("mmbm.data.prepare.LEAST", 5)
    config = parse(tiny.config(table))
    whole = prepare(config, tmp_path / "a")
    some = prepare(config, tmp_path / "b", seconds=1e-3)
    again = prepare(config, tmp_path / "b", seconds=1e-3)
    assert any("rows can be read" in note for note in some.notes)
    for split, rows in some.splits.items():
        assert 1 <= len(rows) < len(whole.splits[split])
        assert set(rows.rows) <= set(whole.splits[split].rows)
    read = np.concatenate([rows.rows for rows in again.splits.values()])
    photos = again.splits["train"].stores["photo"].present
    assert photos[read].any()
    assert photos.sum() <= len(read)


def test_rows_to_measure_are_drawn_the_same_each_time(table, tmp_path):
    rows = prepare(parse(tiny.config(table)), tmp_path).splits["train"]
    one, other = fewer(rows, 0.5), fewer(rows, 0.5)
    assert np.array_equal(one.rows, other.rows)
    assert len(one) == len(rows) // 2


def large(folder: Path, rows: int) -> Path:
    """A table whose pictures alone would take minutes to decode."""
    generator = np.random.default_rng(0)
    for i in range(60):
        pixels = generator.integers(0, 255, (600, 800, 3), dtype=np.uint8)
        pixels[..., i % 3] //= 4
        Image.fromarray(pixels).save(folder / f"{i}.jpg")
    with (folder / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "note", "size", "goal"])
        for _ in range(rows):
            i = int(generator.integers(60))
            note = " ".join(generator.choice(["red", "green", "old", "new"], 9))
            writer.writerow([f"{i}.jpg", note, generator.normal(), "xyz"[i % 3]])
    return folder / "t.csv"


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("rows", [300, 30_000])
def test_a_bundle_is_there_in_time_for_a_small_table_and_for_a_large_one(rows, tmp_path):
    """At most 10 % late, or more on a machine that has other work: as much as that slows it."""
    from mmbm.data.table import open_table
    from mmbm.init import infer, to_yaml, write_config

    config = tmp_path / "config.yaml"
    write_config(to_yaml(infer(open_table(large(tmp_path, rows)), ["goal"]), config), config, False)
    start, worked = time.monotonic(), time.process_time()
    bundle = mmbm.train(config, overrides=["train.minutes=1"], run=tmp_path / "run")
    took, worked = time.monotonic() - start, time.process_time() - worked
    assert took < max(66, 1.5 * worked)
    assert bundle.metrics["test"]["targets"]["goal"]["accuracy"] > 0.6
    mmbm.load(bundle.path, verify=True)
