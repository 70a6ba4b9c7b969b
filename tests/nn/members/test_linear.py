"""Linear members are those of scikit-learn, in fewer steps."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from problems import made, tensors

from mmbm.nn.members import Problem
from mmbm.nn.members.linear import STRENGTHS, Linear, out_of_fold, reduced, solve, stacked


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
