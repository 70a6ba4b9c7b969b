"""bench/quality.py compares fairly: which rows are seen, what its metrics and intervals say."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score

BENCH = Path(__file__).parents[2] / "bench"
sys.path.append(str(BENCH))
compare = pytest.importorskip("compare")
quality = pytest.importorskip("quality")
tasks = pytest.importorskip("tasks")
sys.path.remove(str(BENCH))  # its serve.py has the name of a folder of tests

GROUPED = tasks.Task("made", "kind", "accuracy", numbers=("size",), group="cat")


@pytest.fixture
def rows():
    splits = ["train"] * 60 + ["valid"] * 20 + ["test"] * 20
    return [
        {"size": str(i), "cat": str(i // 4), "kind": "ab"[i % 2], "split": split}
        for i, split in enumerate(splits)
    ]


@pytest.mark.parametrize("size", [12, tasks.ALL])
@pytest.mark.parametrize("seed", [0, 1])
def test_choosing_never_sees_a_test_row(rows, size, seed):
    found = tasks.cut(GROUPED, rows, size, seed, "valid")
    seen = [*found.train, *found.valid, *found.held]
    assert {rows[i]["split"] for i in seen} == {"train", "valid"}
    assert len(set(seen)) == len(seen)
    held = {rows[i]["cat"] for i in found.held}
    assert not held & {rows[i]["cat"] for i in [*found.train, *found.valid]}


def test_reporting_is_on_the_same_test_rows_for_every_seed(rows):
    cuts = [tasks.cut(GROUPED, rows, 30, seed, "test") for seed in (0, 1)]
    assert [c.held for c in cuts] == [list(range(80, 100))] * 2
    assert cuts[0].train != cuts[1].train
    assert [(len(c.train), len(c.valid)) for c in cuts] == [(30, 10)] * 2
    assert tasks.cut(GROUPED, rows, 60, 0, "test") is None, "that is all train rows"


def test_halves_share_no_media():
    half = tasks.halves()
    for name, task in tasks.TASKS.items():
        others = [n for n, t in tasks.TASKS.items() if tasks.family(t) == tasks.family(task)]
        assert {half[name]} == {half[other] for other in others}
    assert sorted(set(half.values())) == ["choose", "confirm"]


def test_metrics_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    truth, answers = generator.choice(list("abc"), (2, 50), p=[0.7, 0.2, 0.1])
    scores = generator.random(50).round(1)  # with ties
    said = {"truth": truth.tolist(), "answers": answers.tolist(), "scores": scores.tolist()}
    draws = generator.integers(0, 50, (20, 50))
    each = {
        "balanced accuracy": lambda i: balanced_accuracy_score(truth[i], answers[i]),
        "auc": lambda i: roc_auc_score(truth[i] == "a", scores[i]),
        "accuracy": lambda i: (truth[i] == answers[i]).mean(),
    }
    for metric, expected in each.items():
        task = tasks.Task("made", "kind", metric, positive="a")
        found = compare.metric(task, said, draws)
        np.testing.assert_allclose(found, [expected(i) for i in draws])
    numbers = {"truth": ["1", "2", "5"], "answers": [1.5, 2, 4], "scores": []}
    task = tasks.Task("made", "size", "r2")
    assert compare.metric(task, numbers) == pytest.approx(r2_score([1, 2, 5], [1.5, 2, 4]))


def record(model, right, seed=0, rows=200):
    answers = ["a" if i < right * rows else "b" for i in range(rows)]
    return {
        "task": "mnist", "size": 100, "seed": seed, "split": "test", "model": model,
        "rows": list(range(rows)), "truth": ["a"] * rows, "answers": answers, "scores": [],
        "processor": 1.0,
    }  # fmt: skip


def test_below_means_the_whole_interval():
    told = [record("mmbm", 0.6), record("words, linear", 0.8), record("table, linear", 0.605)]
    (cell,) = compare.cells(told, "test")
    assert cell.difference("mmbm", "words, linear").mean == pytest.approx(-0.2)
    assert cell.below("mmbm", "words, linear")
    assert not cell.below("mmbm", "table, linear"), "one row of two hundred may be chance"
    failed = {k: v for k, v in record("mmbm", 0).items() if k != "answers"} | {"error": "late"}
    (cell,) = compare.cells([failed, record("words, linear", 0.1)], "test")
    assert cell.below("mmbm", "words, linear"), "no answer is the last place"


def test_page_says_ranks_and_differences(tmp_path):
    told = [record(m, r, s) for s in (0, 1) for m, r in (("mmbm", 0.9), ("words, linear", 0.5))]
    page = pytest.importorskip("page")
    page.write(compare.cells(told, "test"), tmp_path / "quality.md")
    text = (tmp_path / "quality.md").read_text(encoding="utf-8")
    assert "| mmbm | 1.00 | 1 | – | – |" in text
    assert "below any baseline: **0** of 1" in text
    assert "+0.400" in text


@pytest.mark.slow
@pytest.mark.skipif(not tasks.DATA.exists(), reason="needs ../shared/data")
def test_a_cell_is_measured_once(tmp_path):
    command = [sys.executable, str(BENCH / "quality.py"), "--sets", "icu_vitals", "--sizes", "100"]
    command += ["--seeds", "1", "--out", str(tmp_path), "--set", "train.epochs=1"]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    lines = [json.loads(x) for x in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert sorted(x["model"] for x in lines) == [
        "mmbm train.epochs=1", "table, linear", "table, trees",
    ]  # fmt: skip
    with (tasks.DATA / "icu_vitals" / "data.csv").open() as file:
        table = list(csv.DictReader(file))
    for line in lines:
        assert "error" not in line
        assert {table[i]["split"] for i in line["rows"]} == {"test"}
        assert len(line["answers"]) == len(line["scores"]) == len(line["truth"]) == 300


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_three_small_cells_are_not_below_any_yardstick(data):
    """The short form, on real tables: what `mmbm init` and `mmbm train` reach, nothing set."""
    for folder in {tasks.TASKS[name].folder for name in quality.QUICK}:
        if not (data / folder).is_dir():
            pytest.skip(f"{data / folder} is absent")
    command = [sys.executable, str(BENCH / "quality.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
