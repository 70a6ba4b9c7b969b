"""The mix of fused, single-modality and prior answers."""

import numpy as np
import pytest
import torch

from mmbm.nn.mix import PRIOR_WEIGHT, Truth, choose, mix
from mmbm.predict import decode_row, encode
from mmbm.runners.torch import TorchRunner


def answers(rows: int, quality: list[float], seed: int = 0):
    """Candidates [K, N, 3] that give the right class this much probability, with noise."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 3, rows)
    candidates = []
    for q in quality:
        logits = generator.normal(0, 1, (rows, 3)) + q * np.eye(3)[truth]
        p = np.exp(logits)
        candidates.append(p / p.sum(-1, keepdims=True))
    return np.array(candidates, np.float32), Truth("category", truth)


def everything(candidates):
    return np.ones(candidates.shape[:2], bool)


def test_a_useless_fused_answer_is_replaced_by_the_good_single_one():
    candidates, truth = answers(400, [0.0, 4.0, 0.0])
    weights = choose(candidates, everything(candidates), truth)
    assert weights[1] > 0.8
    assert weights.sum() == pytest.approx(1, abs=1e-4)


def test_independent_answers_are_mixed_and_beat_each_of_them():
    candidates, truth = answers(600, [2.0, 2.0, 0.0])
    weights = choose(candidates, everything(candidates), truth)
    fresh, fresh_truth = answers(600, [2.0, 2.0, 0.0], seed=1)
    mixed = fresh_truth.loss(mix(weights, fresh, everything(fresh))).mean()
    assert mixed < min(fresh_truth.loss(one).mean() for one in fresh)


def test_a_mix_that_helps_only_by_luck_is_not_used():
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 3, 40)
    fused = np.full((40, 3), 0.02) + 0.94 * np.eye(3)[truth]
    noise = generator.dirichlet([1, 1, 1], 40)
    candidates = np.array([fused, noise, np.full((40, 3), 1 / 3)], np.float32)
    weights = choose(candidates, everything(candidates), Truth("category", truth))
    assert weights[0] == pytest.approx(1.0, abs=1e-5)
    assert 0 < weights[-1] <= PRIOR_WEIGHT


def test_an_absent_modality_has_no_say():
    candidates, _ = answers(5, [1.0, 1.0, 0.0])
    available = everything(candidates)
    available[1] = False
    weights = np.array([0.2, 0.8, PRIOR_WEIGHT], np.float32)
    assert mix(weights, candidates, available) == pytest.approx(candidates[0], abs=1e-4)


def test_the_fused_answer_decides_where_a_row_lacks_what_was_chosen():
    candidates, truth = answers(400, [0.5, 6.0, 0.0])
    weights = choose(candidates, everything(candidates), truth)
    assert weights[1] > 0.9, "the single modality is far better"
    available = everything(candidates)
    available[1] = False
    assert mix(weights, candidates, available) == pytest.approx(candidates[0], abs=0.01)


def test_the_fused_answer_without_a_modality_is_one_to_choose(bundle):
    """As if it were absent; and what the mix has no use for is not computed, with no difference."""
    from mmbm.nn.restore import restore

    model = restore(bundle)
    rows = [{"remark": "it looks red", "speed": 20.0, "place": "town1"}, {"speed": 1.0}, {}]
    decoded = [decode_row(bundle, row, None) for row in rows]
    tokens = encode(bundle, decoded)
    target = model.targets["label"]
    names = list(model.modalities)
    target.weights.zero_()
    target.weights[1 + len(names) + names.index("table")] = 1.0  # fused without the table
    target.weights[-1] = PRIOR_WEIGHT
    model.settle()
    assert "table" in model.left_out
    runner = TorchRunner(model)
    without = runner.run("candidates", tokens)
    here = without["label.available"][:, 1 + len(names) + names.index("table")]
    assert here.tolist() == [True, False, False]  # nothing but the table is no answer without it
    hidden = {**tokens, "table.known": np.zeros(3, bool)}
    fused = runner.run("candidates", hidden)["label.answers"][:, 0]
    answered = runner.run("answer", tokens)["label"]
    temper = target.fused.temper
    expected = temper(torch.from_numpy(fused[:1]), target.temperature).numpy()
    assert answered[:1] == pytest.approx(expected, abs=1e-5)
    model.left_out = names  # all of them, at more cost: the same answers
    assert runner.run("answer", tokens)["label"] == pytest.approx(answered, abs=1e-6)


def test_numbers_are_mixed_by_squared_error():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=300)
    good, biased = truth + generator.normal(0, 0.1, 300), truth + generator.normal(0, 2, 300)
    candidates = np.array([biased, good, np.zeros(300)], np.float32)[..., None]
    weights = choose(candidates, everything(candidates), Truth("number", truth))
    assert weights[1] > 0.9


def test_labels_are_mixed_by_their_likelihood():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, (300, 4))
    good = np.clip(truth + generator.normal(0, 0.2, (300, 4)), 0.05, 0.95)
    candidates = np.array([np.full((300, 4), 0.5), good, np.full((300, 4), 0.5)], np.float32)
    weights = choose(candidates, everything(candidates), Truth("labels", truth))
    assert weights[1] > 0.9
