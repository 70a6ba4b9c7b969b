"""A table with embeddings, from `mmbm init` to predictions and drift."""

import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmbm
from mmbm.data.table import open_table
from mmbm.init import infer
from mmbm.kinds.column import Arrays

ROWS, N = 300, 12
GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.normal(3, 2, (ROWS, N))
LABELS = np.where(VECTORS[:, 0] > VECTORS[:, 1], "left", "right").tolist()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Every tenth vector is absent."""
    folder = tmp_path_factory.mktemp("vectors")
    cells = [v.tolist() if i % 10 else None for i, v in enumerate(VECTORS)]
    kind = pa.list_(pa.float32(), N)
    table = {"embedding": pa.array(cells, kind), "noise": np.arange(ROWS) % 7 / 3, "side": LABELS}
    pq.write_table(pa.table(table), folder / "table.parquet")
    inferred = infer(open_table(folder / "table.parquet"), ["side"])
    config = {
        "data": {"table": str(folder / "table.parquet")},
        "inputs": {n: {"kind": f.kind, **f.options} for n, f in inferred.inputs.items()},
        "targets": {"side": "category"},
        "train": {"epochs": 15, "batch_size": 32, "lr": 0.01, "threads": 1},
    }
    assert config["inputs"]["embedding"] == {"kind": "vector", "group": "embedding"}
    return mmbm.train(config, run=folder / "run")


def test_a_vector_is_learned_from_and_has_an_attribution_of_its_own(model):
    assert model.metrics["test"]["targets"]["side"]["accuracy"] > 0.85
    row = {"embedding": [9.0, -3.0] + [3.0] * (N - 2)}
    (said,) = model.predict(row, explain=True)
    assert said["side"] == "left"
    assert said["side.attribution.embedding"] > 0.2
    mmbm.load(model.path, verify=True)


def test_text_lists_and_arrays_are_answered_alike_and_a_bad_one_is_named(model):
    vector = np.round(VECTORS[0], 3)
    cells = [vector, vector.tolist(), json.dumps(vector.tolist()), vector[1:]]
    *same, bad = model.predict([{"embedding": c} for c in cells], probabilities=True)
    assert len({row["side.p.left"] for row in same}) == 1
    assert bad["error"] == (
        f"embedding: has {N - 1} numbers, and the others {N}; make all vectors by one model"
    )


def test_drift_of_a_vector_is_how_far_it_is_from_the_mean(model):
    drift, column = model.drift, model.columns["embedding"]
    present = np.arange(ROWS) % 10 > 0
    noise = Arrays(np.arange(ROWS) % 7 / 3, np.ones(ROWS, int), np.ones(ROWS, bool))
    for vectors, changed in ((VECTORS, False), (VECTORS + 20, True)):
        cells = np.stack([column.decode(v) for v in vectors])
        batch = {"embedding": Arrays(cells, np.ones(ROWS, int), present), "noise": noise}
        for _ in range(6):
            drift.add(batch, {})
        assert (drift.index()["embedding"] > 0.25) == changed


def test_the_schema_of_a_request_says_how_many_numbers_there_are(model):
    schema = model.columns["embedding"].describe().schema
    assert (schema["type"], schema["minItems"], schema["maxItems"]) == ("array", N, N)
    assert len(schema["examples"][0]) == N


def found(cells):
    table = {"x": cells, "z": np.arange(len(cells)) / 7, "y": ["a", "b"] * (len(cells) // 2)}
    inferred = infer(open_table(table), ["y"])
    return inferred.inputs.get("x") or inferred.left_out["x"]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (lambda r: [r.random() for _ in range(8)], "vector"),
        (lambda r: np.array([r.random() for _ in range(8)]), "vector"),
        (lambda r: str([r.random() for _ in range(4)]), "vector"),
        (lambda r: str(np.array([r.random() for _ in range(4)])), "vector"),
        (lambda r: [r.randint(0, 500) for _ in range(6)], "vector"),
        (lambda r: [r.randint(0, 1) for _ in range(6)], "vector"),
        (lambda r: [r.randint(0, 3) for _ in range(2)], "labels"),
        (lambda r: [r.choice("abc"), r.choice("de")], "labels"),
    ],
)
def test_init_tells_vectors_from_labels(cell, kind):
    generator = random.Random(0)
    assert found([cell(generator) for _ in range(120)]).kind == kind


def test_init_counts_the_cells_that_are_no_vector_like_the_others():
    generator = random.Random(0)
    cells = [[generator.random() for _ in range(8)] for _ in range(120)]
    cells[7] = cells[7][:3]
    assert found(cells).notes == (
        "x: 1 of 120 cells aren't 8 finite numbers and count as bad cells.",
    )
