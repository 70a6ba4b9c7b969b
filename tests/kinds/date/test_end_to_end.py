"""A table with a date column, from `mmbm init` to the server."""

import csv
import json
import random
from datetime import datetime, timedelta

import numpy as np
import onnxruntime
import pytest
import torch

import mmbm
from mmbm.data.table import open_table
from mmbm.init import infer
from mmbm.kinds.column import Arrays
from mmbm.kinds.date.column import DateColumn
from mmbm.kinds.date.representation import DateRepresentation
from mmbm.kinds.date.spec import DateSpec
from mmbm.layers.batch import Field

START = datetime(2024, 1, 1)


def moments(rows: int) -> list[datetime]:
    generator = random.Random(0)
    return [START + timedelta(minutes=generator.randrange(365 * 24 * 60)) for _ in range(rows)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Shops are busy on Saturdays and Sundays; every tenth date is absent."""
    folder = tmp_path_factory.mktemp("shops")
    with (folder / "shops.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["opened", "noise", "busy"])
        for i, moment in enumerate(moments(300)):
            busy = "yes" if moment.weekday() > 4 else "no"
            cell = moment.isoformat(" ", "minutes") if i % 10 else ""
            writer.writerow([cell, round(random.Random(i).random(), 3), busy])
    return folder / "shops.csv"


@pytest.fixture(scope="module")
def model(path):
    inferred = infer(open_table(path), ["busy"])
    config = {
        "data": {"table": str(path)},
        "inputs": {n: {"kind": f.kind, **f.options} for n, f in inferred.inputs.items()},
        "targets": {"busy": "category"},
        "train": {"epochs": 30, "batch_size": 32, "lr": 0.01, "threads": 1},
    }
    assert config["inputs"]["opened"] == {"kind": "date"}
    return mmbm.train(config, run=path.parent / "run")


def test_a_weekly_rhythm_is_learned_and_explained(model):
    assert model.metrics["test"]["targets"]["busy"]["accuracy"] > 0.85
    saturday, monday = model.predict(
        [{"opened": "2024-06-08T12:00"}, {"opened": "2024-06-10T12:00"}], explain=True
    )
    assert (saturday["busy"], monday["busy"]) == ("yes", "no")
    assert "busy.attribution.table" in saturday


def test_python_dates_and_texts_are_one_and_a_bad_one_is_named(model):
    rows = [{"opened": datetime(2024, 6, 8, 12)}, {"opened": "8.6.2024 12:00"}, {"opened": "soon"}]
    first, second, bad = model.predict(rows, probabilities=True)
    assert first["busy.p.yes"] == second["busy.p.yes"]
    assert bad["error"].startswith("opened: is 'soon', which is not a supported date")


def test_the_bundle_replays_its_golden_rows(model):
    mmbm.load(model.path, verify=True)


def test_drift_of_a_date_is_that_of_linear_time(model):
    drift = model.drift
    column = model.columns["opened"]
    late = [column.decode(moment + timedelta(days=700)) for moment in moments(200)]
    usual = [column.decode(moment) for moment in moments(200)]
    encoded = {}
    noise = Arrays(np.random.default_rng(0).random(200), np.ones(200, int), np.ones(200, bool))
    for cells, changed in ((usual, False), (late, True)):
        present = np.arange(200) % 10 > 0
        batch = {"opened": Arrays(np.stack(cells), np.ones(200, int), present), "noise": noise}
        for _ in range(8):
            drift.add(batch, encoded)
        assert (drift.index()["opened"] > 0.25) == changed


def test_its_graph_says_what_its_numbers_mean(model, tmp_path):
    file = tmp_path / "shops.onnx"
    model.export("onnx", file)
    facts = onnxruntime.InferenceSession(str(file)).get_modelmeta().custom_metadata_map
    assert json.loads(facts["mmbm.inputs"])["opened"]["means"].startswith("days since 1970-01-01")


def test_classical_features_are_zero_where_the_date_is_absent_and_alike_on_any_machine():
    column = DateColumn(DateSpec())
    column.fit(moments(50))
    values = torch.from_numpy(np.stack([column.decode(m) for m in moments(50)]))
    present = torch.arange(50) != 3
    features = DateRepresentation(DateSpec(), column)(
        Field(values, torch.ones(50, dtype=torch.int64), present)
    )
    assert features.shape == (50, 17)
    assert features[3].tolist() == [0.0] * 16 + [1.0]
    assert torch.equal((features[:, :11] * 2**16).round(), features[:, :11] * 2**16)


@pytest.mark.parametrize(
    ("cells", "kind", "why"),
    [
        (lambda i: f"0{1 + i % 9}/0{1 + i % 7}/2024", None, "shows which number is the day"),
        (lambda i: f"{1 + i % 28}/1/2024", "date", "dates, such as 1/1/2024"),
        (lambda i: f"2024-01-{1 + i % 28:02d}" if i % 9 else "unknown", "date", ""),
        (lambda i: f"2024-01-{1 + i % 28:02d}" if i % 30 else "soon", "date", ""),
        (lambda i: START + timedelta(hours=7 * i), "date", ""),
        (lambda i: (START + timedelta(hours=7 * i)).date(), "date", ""),
        (lambda i: f"{i % 24}:30", None, "times of day"),
    ],
)
def test_init_finds_dates_and_says_what_it_cannot_read(cells, kind, why):
    rows = 120
    table = {"x": [cells(i) for i in range(rows)], "z": np.arange(rows) / 7,
             "y": ["a", "b"] * (rows // 2)}  # fmt: skip
    inferred = infer(open_table(table), ["y"])
    found = inferred.inputs.get("x") or inferred.left_out["x"]
    assert found.kind == kind
    assert why in found.why


def test_init_takes_a_mark_for_missing_and_counts_what_is_no_date():
    cells = [f"2024-01-{1 + i % 28:02d}" for i in range(100)]
    cells[7], cells[50] = "unknown", "soon"
    found = infer(open_table({"x": cells, "y": ["a", "b"] * 50}), ["y"]).inputs["x"]
    assert found.options == {"missing": ["unknown"]}
    assert found.notes == ("x: 1 of 100 cells are no dates and count as bad cells, such as soon.",)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_datetime_columns_of_tables_in_python_are_dates(library):
    frames = pytest.importorskip(library)
    made = moments(60)
    data = {"x": made, "y": ["a", "b"] * 30}
    table = frames.table(data) if library == "pyarrow" else frames.DataFrame(data)
    opened = open_table(table)
    assert infer(opened, ["y"]).inputs["x"].kind == "date"
    column = DateColumn(DateSpec())
    for cell, moment in zip(opened.cells("x"), made):
        np.testing.assert_array_equal(column.decode(cell), column.decode(moment))


def test_a_zone_of_a_pandas_column_is_converted_by_the_rule():
    pandas = pytest.importorskip("pandas")
    local = pandas.Series(pandas.to_datetime(moments(60), utc=True)).dt.tz_convert("Asia/Tokyo")
    opened = open_table(pandas.DataFrame({"x": local, "y": ["a", "b"] * 30}))
    column = DateColumn(DateSpec())
    for cell, moment in zip(opened.cells("x"), moments(60)):
        np.testing.assert_array_equal(column.decode(cell), column.decode(moment))
