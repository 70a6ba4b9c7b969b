"""Logistic regression (category, labels) or ridge regression (number) over representations."""

import warnings

import numpy as np
import torch
from torch import Tensor

from mmbm.nn.fitted import Fitted
from mmbm.nn.members import Folds, Matrix, Problem

DUAL = 2500
"""Rows up to which ridge regression is solved by the products of rows."""
STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Inverse strengths of L2 regularization (scikit-learn's C) that are tried."""


class Linear(Fitted):
    """Features of its representations -> raw output [B, C]."""

    weight: Tensor  # [F, C]
    bias: Tensor  # [C]

    def __init__(self, names: list[str]):
        super().__init__(weight=torch.float32, bias=torch.float32)
        self.names = names

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        return torch.cat([features[name] for name in self.names], 1) @ self.weight + self.bias

    def fit(self, features: dict[str, Matrix], problem: Problem, folds: Folds) -> np.ndarray:
        """Choose the strength by the loss on rows that were not fitted, fit all rows with it, and
        give the raw outputs for rows that were not fitted [N, C]."""
        x, scale = stacked([features[name] for name in self.names])
        outputs = {c: out_of_fold(x, problem, folds, c) for c in STRENGTHS}
        losses = {c: problem.loss(raw).mean() for c, raw in outputs.items()}
        best = min(losses, key=lambda c: losses[c])
        weight, bias = solve(x, problem, best)
        self.fill(weight=scale[:, None] * weight, bias=bias)
        return outputs[best]


def stacked(blocks: list[Matrix]) -> tuple[Matrix, np.ndarray]:
    """Side by side, each block's rows of about unit length, and what features were multiplied by.

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


def out_of_fold(x: Matrix, problem: Problem, folds: Folds, strength: float) -> np.ndarray:
    raw = np.zeros((len(problem.y), problem.size))
    for fitted, judged in folds:
        weight, bias = solve(x[fitted], problem.take(fitted), strength)
        raw[judged] = x[judged] @ weight + bias
    return raw


def solve(x: Matrix, problem: Problem, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights [F, C] and bias [C]."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if problem.kind == "number":
        return ridge(x, problem.y, 1 / strength)
    weight, bias = np.zeros((x.shape[1], problem.size)), np.zeros(problem.size)
    columns = problem.y.T if problem.kind == "labels" else [problem.y]
    for place, y in enumerate(columns):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            values, counts = np.unique(y, return_counts=True)
            if problem.kind == "category":
                bias[:] = np.log(0.5 / len(y))  # a class that these rows lack
            if len(values) == 1:
                put(weight, bias, problem.kind, place, values, None, counts)
                continue
            model = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(x, y)
        put(weight, bias, problem.kind, place, values, model, counts)
    return weight, bias


def ridge(x: Matrix, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression; of fewer rows than features by their products (the dual form): exact, where
    iterations over sparse features take long to converge."""
    from sklearn.linear_model import Ridge

    if x.shape[0] > min(x.shape[1], DUAL):
        model = Ridge(alpha=alpha).fit(x, y)
        return np.asarray(model.coef_)[:, None], np.array([model.intercept_])
    products = x @ x.T
    products = products if isinstance(products, np.ndarray) else products.toarray()
    centered = products - products.mean(0) - products.mean(1)[:, None] + products.mean()
    dual = np.linalg.solve(centered + alpha * np.eye(len(y)), y - y.mean())
    weight = x.T @ (dual - dual.mean())
    mean = np.asarray(x.mean(0)).ravel()
    return weight[:, None], np.array([y.mean() - mean @ weight])


def put(weight, bias, kind: str, place: int, values, model, counts) -> None:
    """A fitted logistic regression, or the only value there is, in its columns."""
    if kind == "labels":
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
