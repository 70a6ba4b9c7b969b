"""Extremely randomized trees (Geurts et al. 2006)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmbm.nn.members import Folds, Matrix, Problem
from mmbm.nn.members.trees import Trees, goals

OPTIONS = {
    "n_estimators": 100, "max_depth": 8, "min_samples_leaf": 2, "random_state": 0,
}  # fmt: skip
FEATURES = {"number": 0.5, "category": "sqrt", "labels": "sqrt"}
LEAST = 1e-3
"""A probability is no less than this."""


class Forest(Trees):
    """The mean of its trees: of classes and labels their probabilities, given as logits."""

    def __init__(self, names: list[str], exact: list[str], kind: str):
        super().__init__(names, exact)
        self.kind = kind

    def forward(self, features: dict[str, Tensor], scores: Sequence[Tensor]) -> Tensor:
        mean = super().forward(features, scores)
        if self.kind == "number":
            return mean
        p = mean.clamp(LEAST, 1 - LEAST)
        return p.log() if self.kind == "category" else torch.log(p / (1 - p))

    def fit(
        self,
        features: dict[str, Matrix],
        scores: Sequence[np.ndarray],
        problem: Problem,
        folds: Folds,
    ) -> np.ndarray:
        """Fit all rows; the raw outputs for rows that were not fitted [N, C]."""
        from sklearn.ensemble import ExtraTreesRegressor

        x, width = self.fit_inputs(features, scores)
        y = goals(problem)
        y = y[:, 0] if problem.kind == "number" else y
        options = {**OPTIONS, "max_features": FEATURES[problem.kind]}
        mean = np.zeros((len(x), problem.size))
        for fitted, judged in folds:
            model = ExtraTreesRegressor(**options).fit(x[fitted], y[fitted])
            mean[judged] = model.predict(x[judged]).reshape(len(judged), -1)
        model = ExtraTreesRegressor(**options).fit(x, y)
        parts = [(e.tree_, e.tree_.value[:, :, 0] / len(model)) for e in model.estimators_]
        self.grow(parts, OPTIONS["max_depth"], width)
        self.fill(bias=np.zeros(problem.size))
        if problem.kind == "number":
            return mean
        p = mean.clip(LEAST, 1 - LEAST)
        return np.log(p) if problem.kind == "category" else np.log(p / (1 - p))
