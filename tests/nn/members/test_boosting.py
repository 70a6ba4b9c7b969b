"""Boosting stays finite where classes are rare."""

import numpy as np
import torch

from mmbm.nn.members import Problem
from mmbm.nn.members.boosting import Boosting


def test_boosting_stays_finite_and_no_surer_than_it_is_right_where_classes_are_rare():
    generator = np.random.default_rng(3)
    y = np.repeat(np.arange(14), [50, 20, 8, 6, 5, 4, 4, 3, 3, 3, 2, 2, 2, 2])
    x = generator.normal(size=(len(y), 12)) + 0.3 * y[:, None]
    fold = generator.permutation(len(y)) % 5
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]
    goal = Problem("multiclass", y, 14)
    member = Boosting(["table.features"], ["table.features"])
    raw = member.fit({"table.features": x.astype(np.float32)}, [], goal, folds)
    prior = -np.log(np.bincount(y)[y] / len(y)).mean()
    assert goal.loss(raw).mean() < prior
    given = {"table.features": torch.from_numpy(x).float()}
    assert torch.isfinite(member(given, [])).all()
    assert member(given, []).abs().max() < 100
