"""Classical members: fitted by scikit-learn, answered by tensor operations."""

import numpy as np
import pytest
import torch
from problems import made, tensors

from mmbm.nn.members.classical import Classical

KINDS = {"multiclass": 3, "regression": 1, "multilabel": 2}
EVERY = ("linear", "boosting", "forest")


@pytest.fixture(scope="module", params=list(KINDS))
def fitted(request):
    features, goal, folds = made(request.param)
    exact = {name: name.startswith("table") for name in features}
    members = Classical(EVERY, request.param, KINDS[request.param], exact)
    outputs = dict(members.fit(features, goal, folds))
    return members, features, goal, outputs


def test_each_is_better_on_rows_it_was_not_fitted_on_than_the_mean(fitted):
    _, _, goal, outputs = fitted
    if goal.task == "multiclass":
        prior = np.log(np.bincount(goal.y) / len(goal.y))
    elif goal.task == "regression":
        prior = np.zeros(1)
    else:
        p = goal.y.mean(0)
        prior = np.log(p / (1 - p))
    nothing = goal.loss(np.tile(prior, (len(goal.y), 1))).mean()
    for name, raw in outputs.items():
        assert goal.loss(raw).mean() < 0.9 * nothing, name


def test_what_was_fitted_is_what_the_tensors_answer(fitted):
    """On the rows that all was fitted on, tensors are better than the outputs out of fold."""
    members, features, goal, outputs = fitted
    raws = members(tensors(features), [True] * len(members.names))
    for name, raw in zip(members.names, raws):
        assert raw.shape == outputs[name].shape
        assert goal.loss(raw.numpy()).mean() <= goal.loss(outputs[name]).mean() + 1e-6, name


def test_a_row_alone_is_answered_as_in_a_batch(fitted):
    members, features, _, _ = fitted
    every = [True] * len(members.names)
    together = members(tensors(features), every)
    for row in (0, 7):
        alone = members(tensors(features, slice(row, row + 1)), every)
        for one, many in zip(alone, together):
            assert torch.allclose(one[0], many[row], atol=1e-5)


def test_rounding_does_not_move_an_answer(fitted):
    """Trees split softly, so that what another machine rounds otherwise is answered the same."""
    members, features, _, _ = fitted
    every = [True] * len(members.names)
    exact = tensors(features)
    moved = {n: x if n.startswith("table") else x * (1 + 2e-6) for n, x in exact.items()}
    for one, other in zip(members(exact, every), members(moved, every)):
        assert (one - other).abs().max() < 1e-3


def test_a_modality_that_is_absent_leaves_a_finite_answer(fitted):
    members, features, _, _ = fitted
    for gone in features:
        given = {n: x * 0 if n == gone else x for n, x in tensors(features).items()}
        for raw in members(given, [True] * len(members.names)):
            assert torch.isfinite(raw).all()


def test_weights_are_saved_and_loaded_in_the_shapes_they_were_fitted_in(fitted):
    members, features, goal, _ = fitted
    exact = {name: name.startswith("table") for name in features}
    fresh = Classical(EVERY, goal.task, KINDS[goal.task], exact)
    assert not any(fresh.fitted)
    fresh.load_state_dict(members.state_dict())
    every = [True] * len(members.names)
    for one, other in zip(members(tensors(features), every), fresh(tensors(features), every)):
        assert torch.equal(one, other)


def test_members_without_a_weight_are_emptied_but_for_those_that_trees_read():
    features, goal, folds = made("multiclass")
    exact = {name: name.startswith("table") for name in features}
    members = Classical(EVERY, "multiclass", 3, exact)
    list(members.fit(features, goal, folds))
    used = [name == "forest" for name in members.names]
    before = members(tensors(features), used)[used.index(True)]
    members.clear(used)
    sizes = {n: sum(b.numel() for b in p.buffers()) for n, p in zip(members.names, members.parts)}
    assert sizes["boosting"] == sizes["linear"] == 0
    assert torch.equal(members(tensors(features), used)[used.index(True)], before)


def test_boosting_of_one_class_alone_gives_what_is_finite():
    features, goal, folds = made("multiclass", rows=40)
    exact = {name: name.startswith("table") for name in features}
    members = Classical(["boosting"], "multiclass", 3, exact)
    list(members.fit(features, goal._replace(y=np.zeros(40, np.int64)), folds))
    (raw,) = members(tensors(features), [True])
    assert torch.isfinite(raw).all()


@pytest.mark.parametrize("task", list(KINDS))
def test_a_class_that_a_fold_lacks_is_no_obstacle(task):
    features, goal, folds = made(task, rows=40)
    y = goal.y.copy()
    if task != "regression":
        y[:] = 0
        y[3] = 1
    exact = {name: name.startswith("table") for name in features}
    members = Classical(EVERY, task, KINDS[task], exact)
    for _, raw in members.fit(features, goal._replace(y=y), folds):
        assert np.isfinite(raw).all()
