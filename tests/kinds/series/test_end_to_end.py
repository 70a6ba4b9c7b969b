"""A table with time series, from `mmbm init` to a verified bundle."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmbm
from mmbm.data.table import open_table
from mmbm.init import infer

ROWS = 160
GENERATOR = np.random.default_rng(0)


def series(i: int) -> dict[str, list]:
    """Of the odd rows the pressure falls; a third of the values are missing."""
    steps = 6 + int(GENERATOR.integers(20))
    times = np.cumsum(GENERATOR.uniform(0.2, 2, steps))
    slope = -1.0 if i % 2 else 1.0
    pressure = slope * np.linspace(-2, 2, steps) + GENERATOR.normal(0, 0.5, steps)
    pressure = [None if GENERATOR.random() < 0.3 else round(x, 3) for x in pressure.tolist()]
    return {"hours": times.round(3).tolist(), "pressure": pressure,
            "noise": GENERATOR.normal(0, 1, steps).round(3).tolist()}  # fmt: skip


SERIES = [series(i) for i in range(ROWS)]


def as_csv(one: dict[str, list]) -> str:
    lines = [",".join(one), *(",".join("" if x is None else str(x) for x in step)
                              for step in zip(*one.values()))]  # fmt: skip
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Every twentieth series is absent, one file is not a series."""
    folder = tmp_path_factory.mktemp("wells")
    (folder / "logs").mkdir()
    with (folder / "wells.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["log", "depth", "trend"])
        for i, one in enumerate(SERIES):
            text = as_csv(one) if i != 7 else "hours,pressure,noise\n0,high,1\n"
            (folder / "logs" / f"{i}.csv").write_text(text)
            writer.writerow([f"logs/{i}.csv" if i % 20 else "", i % 9 / 4,
                             "falls" if i % 2 else "rises"])  # fmt: skip
    return folder / "wells.csv"


def config(path, **encoder):
    inferred = infer(open_table(path), ["trend"])
    inputs = {n: {"kind": f.kind, **f.options} for n, f in inferred.inputs.items()}
    assert inputs["log"]["time"] == "hours"
    inputs["log"]["encoder"] = {"size": "tiny", **encoder}
    return {
        "data": {"table": str(path)},
        "inputs": inputs,
        "targets": {"trend": "category"},
        "members": ["network"],
        "train": {"epochs": 8, "batch_size": 16, "lr": 0.01, "threads": 1},
    }


@pytest.fixture(scope="module")
def model(path):
    return mmbm.train(config(path, kind="rnn"), run=path.parent / "run")


def test_a_trend_is_learned_and_explained_and_a_bad_cell_is_listed(model, path):
    assert model.metrics["test"]["targets"]["trend"]["accuracy"] > 0.85
    quarantine = (path.parent / "run" / "quarantine.csv").read_text()
    assert "8,log," in quarantine
    assert "has 'high' in step 1 of channel 'pressure'" in quarantine
    (said,) = model.predict({"log": SERIES[1]}, explain=True)
    assert said["trend"] == "falls"
    assert abs(said["trend.attribution.log"]) > 0.1
    mmbm.load(model.path, verify=True)


def test_files_texts_and_lists_are_answered_alike(model, path, tmp_path):
    one = SERIES[3]
    (tmp_path / "one.csv").write_text(as_csv(one))
    pq.write_table(pa.table(one), tmp_path / "one.parquet")
    steps = [dict(zip(one, step)) for step in zip(*one.values())]
    cells = [one, as_csv(one), json.dumps(steps), steps, as_csv(one).encode(), "one.csv",
             "one.parquet"]  # fmt: skip
    rows = list(model.predict([{"log": c} for c in cells], probabilities=True, root=tmp_path))
    assert [row["error"] for row in rows] == [None] * len(cells)
    assert max(abs(row["trend.p.falls"] - rows[0]["trend.p.falls"]) for row in rows) < 1e-6


def test_padding_never_changes_an_answer(model):
    rows = [{"log": one} for one in SERIES[:20]]
    together = list(model.predict(rows, probabilities=True))
    for row, said in zip(rows, together):
        (alone,) = model.predict(row, probabilities=True)
        assert abs(alone["trend.p.falls"] - said["trend.p.falls"]) < 1e-5


def test_a_series_embedding_that_drifts_is_noticed(model):
    assert "log" in model.drift.learned


@pytest.mark.parametrize("kind", ["tcn", "transformer"])
def test_every_encoder_of_series_trains_and_exports(path, kind, tmp_path):
    given = config(path, kind=kind)
    given["train"]["epochs"] = 2
    model = mmbm.train(given, run=tmp_path / "run")
    mmbm.load(model.path, verify=True)


def test_classical_members_read_the_statistics(path, tmp_path):
    given = config(path, kind="rnn")
    given["members"] = ["linear", "boosting"]
    model = mmbm.train(given, run=tmp_path / "run")
    assert model.metrics["test"]["targets"]["trend"]["accuracy"] > 0.85
    mmbm.load(model.path, verify=True)


def found(cells):
    table = {"x": cells, "z": np.arange(len(cells)) / 7, "y": ["a", "b"] * (len(cells) // 2)}
    inferred = infer(open_table(table), ["y"])
    return inferred.inputs.get("x") or inferred.left_out["x"]


@pytest.mark.parametrize(
    ("cell", "kind", "why"),
    [
        (lambda i: as_csv(SERIES[i]), "series", "2 channels"),
        (lambda i: SERIES[i], "series", "2 channels"),
        (lambda i: json.dumps(SERIES[i]), "series", "2 channels"),
        (lambda i: SERIES[i]["noise"], "series", "1 channel"),
        (lambda i: str(SERIES[i]["noise"]), "series", "1 channel"),
        (lambda i: np.random.default_rng(i).normal(size=(5 + i % 3, 4)), "series", "4 channels"),
        (lambda i: [[1.5, float(i)], [2, 3], [4, 5]], "series", "3 to 3 steps, 2 channels"),
        (lambda i: SERIES[i]["noise"][:6], "vector", "6 numbers"),
        (lambda i: [i % 3, i % 4][: 1 + i % 2], "labels", ""),
        (lambda i: f"one line, {i}\nand another", "text", ""),
        (lambda i: f"tables/{i}.csv", None, "paths of files"),
    ],
)
def test_init_tells_series_from_vectors_labels_and_texts(cell, kind, why):
    guess = found([cell(i) for i in range(120)])
    assert guess.kind == kind
    assert why in guess.why


def test_long_texts_are_looked_at_whole():
    long = as_csv({k: v * 60 for k, v in SERIES[0].items()})
    assert len(long) > 4000
    steps = long.count("\n") - 1
    assert f"to {steps} steps" in found([long] * 60 + [as_csv(s) for s in SERIES[:60]]).why


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_deaths_in_intensive_care_are_told_as_well_as_by_the_yardstick(data, tmp_path):
    """Gradient boosting over statistics of the signals has an AUC of 0.77 to 0.79 (the data set's
    README), whose standard error is 0.04."""
    table = data / "icu_vitals" / "data.csv"
    if not table.exists():
        pytest.skip("needs shared/data/icu_vitals")
    inferred = infer(open_table(table), ["died_in_hospital"], drop=["id", "length_of_stay"])
    inputs = {n: {"kind": f.kind, **f.options} for n, f in inferred.inputs.items()}
    assert inputs["series"]["kind"] == "series"
    given = {"data": {"table": str(table), "split": "split"}, "inputs": inputs,
             "targets": {"died_in_hospital": "category"}, "train": inferred.train}  # fmt: skip
    model = mmbm.train(given, run=tmp_path / "run")
    assert model.metrics["test"]["targets"]["died_in_hospital"]["auroc"] > 0.74
