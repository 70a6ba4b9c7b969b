"""Classical members: fitted by scikit-learn, answered by tensor operations."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from mmbm.nn.members import Problem
from mmbm.nn.members.boosting import Boosting
from mmbm.nn.members.classical import Classical
from mmbm.nn.members.linear import STRENGTHS, Linear, out_of_fold, reduced, solve, stacked
from mmbm.nn.members.trees import Components

KINDS = {"multiclass": 3, "regression": 1, "multilabel": 2}
EVERY = ("linear", "boosting", "forest")


def problem(task: str, x: np.ndarray, generator: np.random.Generator) -> Problem:
    """Which of three features is largest, the first one, or the signs of two, with noise."""
    noisy = x[:, :3] + generator.normal(0, 0.3, (len(x), 3))
    if task == "multiclass":
        return Problem(task, noisy.argmax(1), 3)
    if task == "regression":
        return Problem(task, noisy[:, 0], 1)
    return Problem(task, (noisy[:, :2] > 0).astype(np.int64), 2)


def made(task: str, rows: int = 240):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 5)).astype(np.float32)
    dense = np.concatenate([x, generator.normal(size=(rows, 40)).astype(np.float32)], 1)
    sparse = sp.csr_matrix(np.maximum(x @ generator.normal(size=(5, 60)), 1) - 1).astype(np.float32)
    features = {"table.features": x, "photo.features": dense, "remark.features": sparse}
    folds = np.arange(rows) % 4
    parts = [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(4)]
    return features, problem(task, x, generator), parts


@pytest.fixture(scope="module", params=list(KINDS))
def fitted(request):
    features, goal, folds = made(request.param)
    exact = {name: name.startswith("table") for name in features}
    members = Classical(EVERY, request.param, KINDS[request.param], exact)
    outputs = dict(members.fit(features, goal, folds))
    return members, features, goal, outputs


def tensors(features, rows=slice(None)):
    dense = {n: x.toarray() if sp.issparse(x) else x for n, x in features.items()}
    return {n: torch.from_numpy(np.ascontiguousarray(x[rows])) for n, x in dense.items()}


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


def test_a_linear_member_is_the_one_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    features, goal, folds = made("multiclass")
    member = Linear(["table.features"])
    member.fit(features, goal, folds)
    x, _scale = stacked([features["table.features"]])
    tried = {c: out_of_fold(x, goal, folds, c, [{} for _ in folds]) for c in STRENGTHS}
    losses = {c: goal.loss(raw).mean() for c, raw in tried.items()}
    best = min(losses, key=lambda c: losses[c])
    theirs = LogisticRegression(C=best, max_iter=200, tol=1e-5).fit(x, goal.y)
    p = member(tensors(features)).softmax(1).numpy()
    assert p == pytest.approx(theirs.predict_proba(x), abs=1e-4)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_of_few_rows_their_products_give_the_same_weights_as_all_features(sparse, task):
    generator = np.random.default_rng(0)
    x = np.maximum(generator.normal(size=(40, 90)), 0.5) - 0.5
    y = x[:, 0] - x[:, 1] + generator.normal(size=40) + 3
    number = task == "regression"
    goal = Problem(task, y if number else (y > 3).astype(int), 1 if number else 2)
    z, back = reduced(sp.csr_matrix(x) if sparse else x, 1000)
    assert z.shape == (40, 40)
    weight, bias = solve(z, goal, 1.4)
    expected, intercept = solve(x, goal, 1.4)
    found = x @ back(weight) + bias
    iterated = 0.03  # logistic regression ends when it is nearly there
    near = 1e-6 if task == "regression" else iterated
    assert found == pytest.approx(x @ expected + intercept, abs=near)


def test_many_classes_are_learned_from_rare_terms_of_many_rows():
    """The gradient of one term and one class is tiny: what ends the iterations must be tinier."""
    generator = np.random.default_rng(0)
    rows, classes, terms = 1500, 50, 20_000
    y = generator.integers(0, classes, rows)
    own = generator.integers(0, terms, (classes, 20))
    x = np.zeros((rows, terms), np.float32)
    for i in range(rows):
        x[i, generator.choice(own[y[i]], 8)] = 1
        x[i, generator.integers(0, terms, 40)] = 1
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    folds = [(np.arange(500, 1500), np.arange(500)), (np.arange(1000), np.arange(1000, 1500))]
    goal = Problem("multiclass", y, classes)
    raw = Linear(["a"]).fit({"a": sp.csr_matrix(x)}, goal, folds)
    judged = np.r_[:500, 1000:1500]
    assert (raw[judged].argmax(1) == y[judged]).mean() > 0.95
    assert goal.take(judged).loss(raw[judged]).mean() < 0.8


def test_features_that_are_all_zero_say_nothing():
    goal = Problem("multiclass", np.arange(30) % 3, 3)
    member = Linear(["a"])
    folds = [(np.arange(15), np.arange(15, 30)), (np.arange(15, 30), np.arange(15))]
    member.fit({"a": sp.csr_matrix((30, 50), dtype=np.float32)}, goal, folds)
    p = member({"a": torch.zeros(2, 50)}).softmax(1)
    assert p.numpy() == pytest.approx(1 / 3, abs=1e-3)


def test_components_beyond_the_rank_of_a_representation_say_nothing():
    """Three different texts have three components: more would be rounding, magnified."""
    generator = np.random.default_rng(0)
    few = generator.random((3, 40)).astype(np.float32)[generator.integers(0, 3, 200)]
    for x in (few, sp.csr_matrix(few)):
        reduce = Components()
        z = reduce.fit(x)
        assert (z.std(0) > 0).sum() <= 3
        moved = torch.from_numpy(few) * (1 + 2e-7)
        assert (reduce(moved) - reduce(torch.from_numpy(few))).abs().max() < 1e-3


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
