"""LiteRT has fixed sizes, no recurrences and no float64: the answers are the bundle's all the same.

Its converter is not installed with the rest (see `litert` in pyproject.toml). These tests run in an
environment that has it; `.ci/run` makes one.
"""

import json
import shutil

import numpy as np
import pytest
import tiny
import torch

import mmbm
from mmbm.errors import BundleError
from mmbm.export.litert import STEPS, SplitNumber, Unrolled, split
from mmbm.export.verify import TOLERANCES, answers, batches, golden
from mmbm.inference.predict import batched
from mmbm.inference.runners import difference, flatten, units
from mmbm.inference.runners.litert import padded
from mmbm.kinds.number.frontend import NumberFrontend
from mmbm.layers.batch import Field
from mmbm.layers.blocks import Recurrence, valid


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_an_unrolled_recurrence_is_the_recurrence(cell, bidirectional):
    torch.manual_seed(0)
    layer = Recurrence(cell, 5, 4, bidirectional).eval()
    x, keep = torch.randn(3, 7, 5), valid(torch.tensor([7, 3, 1]), 7)
    with torch.no_grad():
        torch.testing.assert_close(Unrolled(layer)(x, keep), layer(x, keep), rtol=1e-5, atol=1e-6)


def test_a_number_in_two_halves_keeps_the_digits_of_a_time_stamp():
    """Seconds since 1970: float32 tells apart only minutes that are two apart."""
    from mmbm.kinds.number.column import NumberColumn
    from mmbm.kinds.number.spec import NumberSpec

    spec = NumberSpec(kind="number")
    column = NumberColumn(spec)
    column.fit([1.7e9 + second for second in range(1000)])
    number = NumberFrontend(spec, column).eval()
    x = torch.tensor([1.7e9 + 1.25, 1.7e9 + 998.5, 0.0, -1e30], dtype=torch.float64)
    rows, there = torch.ones(4, dtype=torch.int64), torch.ones(4, dtype=torch.bool)
    with torch.no_grad():
        exact = number(Field(x, rows, there)).x
        ours = SplitNumber(number)(Field(split(x), rows, there)).x
    torch.testing.assert_close(ours, exact, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(padded(x.numpy(), 4, None, np.float32), split(x).numpy())


def test_padding_repeats_the_last_row_and_fills_lengths_with_zeros():
    array = np.array([[1, 2], [3, 4]], np.int16)
    wide = padded(array, 3, 4, np.int16)
    np.testing.assert_array_equal(wide, [[1, 2, 0, 0], [3, 4, 0, 0], [3, 4, 0, 0]])


# ── with the converter ───────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def bundles(table, tmp_path_factory):
    """A small bundle of every kind of column, and what LiteRT makes of it."""
    pytest.importorskip("litert_torch", reason='needs pip install "mmbm[litert]", see .ci/run')
    folder = tmp_path_factory.mktemp("litert")
    config = tiny.config(table, epochs=4, lr=0.01)
    config["inputs"]["remark"]["max_tokens"] = 16
    config["inputs"]["speech"]["seconds"] = 0.4
    config["targets"] |= {"amount": {"kind": "number"}, "tags": {"kind": "labels"}}
    bundle = mmbm.train(config, run=folder / "run")
    return bundle, mmbm.load(bundle.export("litert", folder / "litert").path, verify=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_litert_answers_as_the_bundle_whatever_the_batch(bundles):
    bundle, made = bundles
    for label, rows in batches(bundle, golden(bundle)):
        arrays = flatten(batched(bundle, rows), bundle.columns)
        ours, theirs = answers(bundle.runner, arrays), answers(made.runner, arrays)
        for name, unit in units(bundle.config, bundle.columns).items():
            moved = difference(unit, ours[name], theirs[name])
            assert moved <= TOLERANCES["float32"], (label, name)


@pytest.mark.slow
def test_every_verb_works_with_a_litert_bundle(bundles, table):
    bundle, made = bundles
    ours = bundle.predict(table, explain=True)
    theirs = made.predict(table, explain=True)
    for a, b in zip(ours, theirs):
        numbers = {name: value for name, value in a.items() if isinstance(value, float)}
        assert {name: b[name] for name in numbers} == pytest.approx(numbers, rel=1e-3, abs=1e-3)
    assert made.evaluate(table)["rows"] == 12
    assert max(made.metrics["export"]["moved"].values()) <= TOLERANCES["float32"]


@pytest.mark.slow
def test_what_is_longer_than_the_longest_graph_is_refused(bundles):
    bundle, made = bundles
    arrays = flatten(batched(bundle, golden(bundle)[:1]), bundle.columns)
    arrays["remark"] = np.ones((1, 17), np.int32)
    with pytest.raises(BundleError, match=r"'remark' has length 17; the longest .* is 16"):
        made.runner.run("encode", arrays)


@pytest.mark.slow
def test_a_tampered_litert_file_is_named(bundles, tmp_path):
    copy = shutil.copytree(bundles[1].path, tmp_path / "bundle")
    facts = json.loads((copy / "graphs" / "litert.json").read_text())
    facts["encode"]["batches"] = [2]
    (copy / "graphs" / "litert.json").write_text(json.dumps(facts))
    with pytest.raises(BundleError, match=r"litert\.json"):
        mmbm.load(copy)


@pytest.mark.slow
def test_a_recurrence_over_a_long_sound_is_refused_with_a_way_out(bundles, table, tmp_path):
    config = tiny.config(table, epochs=1)
    config["inputs"] = {"speech": {**config["inputs"]["speech"], "seconds": 4, "encoder": "rnn"}}
    bundle = mmbm.train(config, run=tmp_path / "run")
    with pytest.raises(BundleError, match=rf"rnn of 'speech' .*beyond {STEPS}.*cnn or transformer"):
        bundle.export("litert", tmp_path / "out")
    assert not (tmp_path / "out").exists()
