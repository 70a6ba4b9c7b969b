"""A Keras model as an encoder."""

import subprocess
import sys

import numpy as np
import pytest
import resuming
import tiny
import torch

import mmbm
from mmbm.config import load as configfile
from mmbm.errors import BundleError, ConfigError
from mmbm.inference.restore import restore
from mmbm.layers.batch import Features
from mmbm.nn.encoders.keras import Keras, opened
from mmbm.specs.encoders import KerasSpec


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


def test_a_keras_model_learns_and_its_bundle_answers_without_keras_and_torch(bundle, table):
    assert bundle.metrics["test"]["subsets"]["photo"]["label"] > 0.5
    code = f"""
import sys, mmbm
bundle = mmbm.load({str(bundle.path)!r}, verify=True)
assert len(bundle.predict({str(table)!r})) == 96
assert not {{"torch", "keras"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_its_weights_are_trained_and_come_back_when_its_function_is_allowed(bundle):
    with pytest.raises(BundleError, match="names the class 'own_keras:picture'"):
        restore(mmbm.load(bundle.path).bundle)
    model = restore(mmbm.load(bundle.path, allow=["own_keras"]).bundle)
    encoder = model.inputs["photo"].encoder
    assert isinstance(encoder, Keras)
    fresh = Keras(bundle.config.inputs["photo"].encoder, "picture", 3)
    x = torch.randn(2, 3, 12, 12)
    ours, theirs = (e.eval().run(x.permute(0, 2, 3, 1)) for e in (encoder, fresh))
    assert ours.shape == (2, 3, 3, 8)
    assert not torch.allclose(ours, theirs)


@pytest.mark.slow
def test_a_stopped_run_ends_the_same(table, tmp_path, monkeypatch):
    resuming.assert_resumes(config(table), tmp_path, monkeypatch, 5)


@pytest.mark.slow
def test_a_file_brings_its_weights_and_the_bundle_stands_alone(table, tmp_path):
    import own_keras

    opened()
    model = own_keras.picture("picture", 3)
    model.save(tmp_path / "photo.keras")
    made = config(table, tmp_path / "photo.keras", epochs=1, lr=1e-9)
    bundle = mmbm.train(made, run=tmp_path / "run")
    (tmp_path / "photo.keras").unlink()
    assert bundle.verify() == 4
    assert str(tmp_path) not in (bundle.path / "config.yaml").read_text()
    again = restore(mmbm.load(bundle.path, allow=["own_keras"]).bundle).inputs["photo"].encoder
    kernel = next(w for w in again.parameters() if w.ndim == 4)
    first = next(w for w in model.parameters() if w.ndim == 4)
    assert torch.allclose(kernel, first, atol=1e-5)


@pytest.mark.parametrize(
    ("column", "function", "message"),
    [
        ("remark", "backwards", "depends on the zeros behind it"),
        ("remark", "pooled", r"must give \[rows, places, width\]"),
        ("photo", "nothing", r"gives no keras\.Model, but None"),
        ("photo", "missing", "has no 'missing'"),
    ],
)
def test_a_model_that_will_not_do_is_told_why(column, function, message):
    spec = KerasSpec(model=f"own_keras:{function}")
    with pytest.raises(ConfigError, match=message):
        Keras(spec, *(("picture", 3) if column == "photo" else ("tokens", 5)))


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "photo.keras").write_bytes(b"no archive")
    with pytest.raises(ConfigError, match=r"photo\.keras can't be opened"):
        Keras(KerasSpec(model=str(tmp_path / "photo.keras")), "picture", 3)
    made = {
        "data": {"table": "a.csv"},
        "inputs": {"photo": {"kind": "image", "encoder": {"kind": "keras", "model": "photo"}}},
        "targets": {"label": "category"},
    }
    with pytest.raises(ConfigError, match=r"package\.module:function or a path"):
        configfile.parse(made)


def test_padding_changes_nothing_of_a_sequence():
    encoder = Keras(KerasSpec(model="own_keras:sequence"), "tokens", 5).eval()
    x, keep = torch.randn(1, 6, 5), torch.ones(1, 6, dtype=torch.bool)
    alone = encoder(Features(x, keep)).x
    longer = torch.cat([x, torch.randn(1, 9, 5)], 1)
    kept = torch.cat([keep, torch.zeros(1, 9, dtype=torch.bool)], 1)
    padded = encoder(Features(longer, kept)).x
    assert torch.allclose(alone, padded[:, :6], atol=1e-5)
    assert np.abs(padded[:, 6:].detach().numpy()).max() == 0
