"""Choosing the weights of members on rows that they were not trained on."""

import numpy as np
import pytest
import torch

from mmbm.inference.predict import decode_row, encode
from mmbm.inference.runners.torch import TorchRunner
from mmbm.nn.answer_ensemble import PRIOR_WEIGHT
from mmbm.training.ensemble_selection import LEAST, Truth, choose, mix


def answers(rows: int, quality: list[float], seed: int = 0):
    """Members' answers [K, N, 3] that give the right class this much probability, with noise."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 3, rows)
    members = []
    for q in quality:
        logits = generator.normal(0, 1, (rows, 3)) + q * np.eye(3)[truth]
        p = np.exp(logits)
        members.append(p / p.sum(-1, keepdims=True))
    return np.array(members, np.float32), Truth("multiclass", truth)


def everything(members):
    return np.ones(members.shape[:2], bool)


def test_a_useless_member_has_no_weight_beside_a_good_one():
    members, truth = answers(400, [0.0, 4.0, 0.0])
    weights = choose(members, everything(members), truth).weights
    assert weights[1] > 0.9
    assert weights.sum() == pytest.approx(1, abs=1e-6)


def test_independent_members_are_mixed_and_beat_each_of_them():
    members, truth = answers(600, [2.0, 2.0, 0.0])
    weights = choose(members, everything(members), truth).weights
    fresh, fresh_truth = answers(600, [2.0, 2.0, 0.0], seed=1)
    mixed = fresh_truth.loss(mix(weights, fresh, everything(fresh))).mean()
    assert mixed < min(fresh_truth.loss(one).mean() for one in fresh)


def test_from_thirty_rows_the_mix_is_as_good_as_the_best_member():
    """Chance does not decide: on fresh rows, on average over many such choices."""
    quality, ratios = [1.0, 1.0, 1.5, 0.2, 0.0, 0.0], []
    for seed in range(12):
        members, truth = answers(30, quality, seed)
        weights = choose(members, everything(members), truth).weights
        fresh, fresh_truth = answers(3000, quality, seed + 100)
        best = min(fresh_truth.loss(one).mean() for one in fresh)
        ratios.append(fresh_truth.loss(mix(weights, fresh, everything(fresh))).mean() / best)
    assert np.mean(ratios) < 1.03
    assert max(ratios) < 1.15


def test_a_member_that_hardly_counts_is_left_out():
    members, truth = answers(300, [2.0, 1.9, 1.8, 0.1, 0.1])
    weights = choose(members, everything(members), truth).weights
    assert all(weight == 0 or weight >= LEAST for weight in weights)


def test_rows_of_one_group_are_drawn_together():
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(10), 30)
    truth = Truth("regression", generator.normal(size=300))
    steady = truth.values + generator.normal(0, 0.6, 300)
    lucky = truth.values + generator.normal(0, 1, 10)[group] * 0.6
    members = np.stack([steady, lucky])[..., None]
    alone = choose(members, everything(members), truth)
    together = choose(members, everything(members), truth, group)
    assert together.weights.sum() == pytest.approx(alone.weights.sum()) == pytest.approx(1)
    assert not np.array_equal(together.weights, alone.weights)


def test_a_member_whose_modality_is_absent_has_no_part():
    members, _ = answers(5, [1.0, 1.0, 0.0])
    available = everything(members)
    available[1] = False
    weights = np.array([0.2, 0.8, PRIOR_WEIGHT], np.float32)
    assert mix(weights, members, available) == pytest.approx(members[0], abs=1e-4)


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_numbers_and_labels_are_mixed_too(task):
    generator = np.random.default_rng(0)
    if task == "regression":
        truth = Truth(task, generator.normal(size=200))
        good = (truth.values + generator.normal(0, 0.3, 200))[:, None]
        bad = generator.normal(size=(200, 1))
    else:
        truth = Truth(task, generator.integers(0, 2, (200, 2)))
        good = 0.1 + 0.8 * truth.values
        bad = generator.random((200, 2))
    members = np.stack([bad, good])
    assert choose(members, everything(members), truth).weights[1] > 0.9


def test_the_fused_answer_without_a_modality_is_one_to_choose(bundle):
    """As if it were absent; and what the mix has no use for is not computed, with no difference."""
    from mmbm.inference.restore import restore

    model = restore(bundle.bundle)
    rows = [{"remark": "it looks red", "speed": 20.0, "place": "town1"}, {"speed": 1.0}, {}]
    decoded = [decode_row(bundle, row, None) for row in rows]
    tokens = encode(bundle, decoded)
    target = model.targets["label"]
    names = list(model.modalities)
    target.weights.zero_()
    target.weights[1 + len(names) + names.index("table")] = 1.0  # fused without the table
    target.weights[-1] = PRIOR_WEIGHT
    model.finalize()
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
