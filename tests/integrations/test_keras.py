"""A bundle as a Keras layer."""

import csv

import numpy as np
import pytest
import tiny
import torch

import mmbm
from mmbm.errors import MmbmError
from mmbm.nn.encoders.keras import opened


def config(table, photo="own_keras:picture", **train):
    made = tiny.config(table, **{"epochs": 2, **train})
    inputs = {name: made["inputs"][name] for name in ("photo", "remark", "speed")}
    inputs["photo"]["encoder"] = {"kind": "keras", "model": str(photo)}
    inputs["remark"]["encoder"] = {"kind": "keras", "model": "own_keras:sequence"}
    return {**made, "inputs": inputs}


@pytest.fixture(scope="module")
def bundle(table, tmp_path_factory):
    return mmbm.train(
        config(table, epochs=14, lr=0.005), run=tmp_path_factory.mktemp("keras") / "run"
    )


@pytest.fixture(scope="module")
def rows(table):
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def asked(rows):
    return [{"photo": r["photo"], "remark": r["remark"], "speed": r["speed"]} for r in rows]


def test_a_bundle_is_a_layer_that_fit_trains_behind(bundle, rows, table):
    """The speed is in the fused vector: a dense layer finds it there, and the bundle stays."""
    keras = opened()
    import mmbm.integrations.keras

    layer = mmbm.integrations.keras.Layer(mmbm.load(bundle.path, allow=["own_keras"]))
    known = mmbm.integrations.keras.arrays(bundle, asked(rows), table.parent)
    given = mmbm.integrations.keras.inputs(known)
    model = keras.Model(given, keras.layers.Dense(1)(layer(given)))
    before = [w.clone() for w in layer.net.module.parameters()]
    y = np.array([float(row["speed"]) for row in rows]).reshape(-1, 1) / 10
    model.compile(keras.optimizers.Adam(0.05), "mse")
    history = model.fit(known, y, epochs=30, batch_size=32, verbose=0).history["loss"]
    assert history[-1] < 0.1 * history[0]
    assert all(torch.equal(a, b) for a, b in zip(before, layer.net.module.parameters()))
    small = {name: array[:3] for name, array in known.items()}
    few, all_ = (model.predict(some, verbose=0) for some in (small, known))
    assert np.allclose(few, all_[:3], atol=1e-4)


def test_a_layer_may_be_trained_too(bundle, rows, table):
    keras = opened()
    import mmbm.integrations.keras

    layer = mmbm.integrations.keras.Layer(
        mmbm.load(bundle.path, allow=["own_keras"]), trainable=True
    )
    known = mmbm.integrations.keras.arrays(bundle, asked(rows[:32]), table.parent)
    given = mmbm.integrations.keras.inputs(known)
    model = keras.Model(given, keras.layers.Dense(1)(layer(given)))
    before = layer.net.module.model.fusion.dense[0].weight.clone()
    model.compile("adam", "mse")
    model.fit(known, np.ones((32, 1)), epochs=1, verbose=0)
    assert not torch.equal(before, layer.net.module.model.fusion.dense[0].weight)


def test_a_cell_that_cannot_be_read_is_named_with_its_row(bundle):
    import mmbm.integrations.keras

    with pytest.raises(MmbmError, match=r"Row 2: photo: .*exist"):
        mmbm.integrations.keras.arrays(bundle, [{}, {"photo": "no.png"}])
