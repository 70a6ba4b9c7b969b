"""Logistic regression (category, labels) or ridge regression (number) over representations."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmbm.layers.fitted import Fitted
from mmbm.nn.members import Folds, Matrix, Pace, Problem, dense

DUAL = {"multiclass": 1200, "multilabel": 1200, "regression": 2500}
"""Rows up to which the Gram matrix replaces features that outnumber the rows: above it, that is
slower than reading sparse features."""
FEW = 1200
"""Rows up to which all folds choose the regularization."""
LEAST = 1e-10
"""Relative to the largest eigenvalue of the Gram matrix; smaller ones are rounding errors."""
STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Inverse regularization strengths (scikit-learn's C, L2) that are tried, until one is worse."""
WORSE = 1.02
"""A loss this many times the least ends the trials: weaker ones take longest, and are no better."""
OPTIONS: dict[str, Any] = {"max_iter": 200, "tol": 1e-5, "warm_start": True}
Models = dict[int, Any]
"""Scikit-learn's models by the label that each predicts; for a category one."""


class Linear(Fitted):
    """Features of its representations -> raw output [B, C]."""

    weight: Tensor  # [F, C]
    bias: Tensor  # [C]

    def __init__(self, names: list[str]):
        super().__init__(weight=torch.float32, bias=torch.float32)
        self.names = names

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        return torch.cat([features[name] for name in self.names], 1) @ self.weight + self.bias

    def coefficients(self) -> int:
        """How many are not zero."""
        return int(torch.count_nonzero(self.weight) + torch.count_nonzero(self.bias))

    def fit(
        self,
        features: dict[str, Matrix],
        problem: Problem,
        folds: Folds,
        end: float = math.inf,
    ) -> np.ndarray:
        """Choose the regularization by the loss on held-out rows, with many rows those of one
        fold; fit all rows with it, and return the raw outputs for held-out rows [N, C]. Raises
        OutOfTime."""
        few = len(problem.y) <= FEW
        judges = folds if few else folds[:1]
        judged = np.concatenate([rows for _, rows in judges])
        final = 1 if few else len(folds) + 1  # fits with the chosen one
        pace = Pace(len(STRENGTHS) + final / len(judges), end)
        x, scale = stacked([features[name] for name in self.names])
        z, back = reduced(x, DUAL[problem.task])
        raw, best, least = np.empty(0), STRENGTHS[0], math.inf
        models: list[Models] = [{} for _ in folds]
        for strength in STRENGTHS:
            tried = out_of_fold(z, problem, judges, strength, models)
            loss = problem.take(judged).loss(tried[judged]).mean()
            if loss < least:
                raw, best, least = tried, strength, loss
            elif loss > WORSE * least:
                break
            pace.step()
        if not few:
            raw = out_of_fold(z, problem, folds, best, [{} for _ in folds])
        weight, bias = solve(z, problem, best)
        self.fill(weight=scale[:, None] * back(weight), bias=bias)
        return raw


def stacked(blocks: list[Matrix]) -> tuple[Matrix, np.ndarray]:
    """Concatenated, each block's rows scaled to about unit length, and the scale of each feature.

    A strength then means the same for few and for many features.
    """
    import scipy.sparse as sp

    scales = [
        np.full(b.shape[1], 1.0 if sp.issparse(b) else 1 / np.sqrt(max(b.shape[1], 1)))
        for b in blocks
    ]
    scale = np.concatenate(scales)
    if all(isinstance(b, np.ndarray) for b in blocks):
        return np.concatenate(blocks, 1) * scale, scale
    return sp.csr_matrix(sp.hstack(blocks)).multiply(scale).tocsr(), scale


def reduced(x: Matrix, most: int) -> tuple[Matrix, Callable[[np.ndarray], np.ndarray]]:
    """With fewer rows than features: coordinates [N, R] with the rows' Gram matrix, and the map of
    their weights [R, C] back to the features [F, C]: with an L2 penalty the solutions are the same
    (the representer theorem), and faster to find."""
    rows, features = x.shape
    if rows > min(features, most):
        return x, lambda weight: weight
    values, axes = np.linalg.eigh(dense(x @ x.T).astype(np.float64))
    known = values >= max(LEAST * values[-1], np.finfo(float).tiny)
    known[-1] = True  # at least one, for features that are all zero too
    values = np.maximum(values[known], np.finfo(float).tiny)
    z = axes[:, known] * np.sqrt(values)
    return z, lambda weight: x.T @ ((z / values) @ weight)


def out_of_fold(
    x: Matrix, problem: Problem, folds: Folds, strength: float, models: list[Models]
) -> np.ndarray:
    """models: of each fold, see `solve`."""
    raw = np.zeros((len(problem.y), problem.size))
    for (fitted, judged), own in zip(folds, models):
        weight, bias = solve(x[fitted], problem.take(fitted), strength, own)
        raw[judged] = x[judged] @ weight + bias
    return raw


def solve(
    x: Matrix, problem: Problem, strength: float, models: Models | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [F, C] and bias [C]. models: those of the same rows with another strength, as a warm
    start."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    if problem.task == "regression":
        model = Ridge(alpha=1 / strength).fit(x, problem.y)
        return np.asarray(model.coef_)[:, None], np.array([model.intercept_])
    models = {} if models is None else models
    weight, bias = np.zeros((x.shape[1], problem.size)), np.zeros(problem.size)
    columns = problem.y.T if problem.task == "multilabel" else [problem.y]
    for place, y in enumerate(columns):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            values, counts = np.unique(y, return_counts=True)
            if problem.task == "multiclass":
                bias[:] = np.log(0.5 / len(y))  # a class that these rows lack
            if len(values) == 1:
                put(weight, bias, problem.task, place, values, None, counts)
                continue
            model = models.setdefault(place, LogisticRegression(**OPTIONS))
            model.set_params(C=strength).fit(x, y)
        put(weight, bias, problem.task, place, values, model, counts)
    return weight, bias


def put(weight, bias, task: str, place: int, values, model, counts) -> None:
    """A fitted logistic regression, or the only value there is, in its columns."""
    if task == "multilabel":
        if model is None:
            bias[place] = np.log(2.0 * counts[0]) * (1 if values[0] else -1)
        else:
            weight[:, place], bias[place] = model.coef_[0], model.intercept_[0]
    elif model is None:
        bias[values[0]] = 0.0
    elif len(values) == 2:
        for value, sign in zip(values, (-0.5, 0.5)):
            weight[:, value], bias[value] = sign * model.coef_[0], sign * model.intercept_[0]
    else:
        weight[:, values], bias[values] = model.coef_.T, model.intercept_
