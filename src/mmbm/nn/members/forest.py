"""Extremely randomized trees (Geurts et al. 2006)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmbm.nn.members import Problem
from mmbm.nn.members.trees import Trees

OPTIONS: dict[str, Any] = {
    "n_estimators": 100, "max_depth": 8, "min_samples_leaf": 2, "random_state": 0,
}  # fmt: skip
FEATURES = {"regression": 0.5, "multiclass": "sqrt", "multilabel": "sqrt"}
LEAST = 1e-3
"""Minimum probability."""


class Forest(Trees):
    """The mean of its trees: for classes and labels their probabilities, returned as logits."""

    def __init__(self, names: list[str], exact: list[str], task: str):
        super().__init__(names, exact)
        self.task = task

    def forward(self, features: dict[str, Tensor], scores: Sequence[Tensor]) -> Tensor:
        return self.raw(super().forward(features, scores))

    def raw(self, mean: Tensor) -> Tensor:
        """Of the trees' mean [B, C]."""
        if self.task == "regression":
            return mean
        p = mean.clamp(LEAST, 1 - LEAST)
        return p.log() if self.task == "multiclass" else torch.log(p / (1 - p))

    def learn(self, x: np.ndarray, problem: Problem) -> Any:
        from sklearn.ensemble import ExtraTreesRegressor

        y = np.eye(problem.size)[problem.y] if problem.task == "multiclass" else problem.y
        return ExtraTreesRegressor(**OPTIONS, max_features=FEATURES[problem.task]).fit(x, y)

    def outputs(self, model: Any, x: np.ndarray, problem: Problem) -> np.ndarray:
        mean = torch.from_numpy(model.predict(x).reshape(len(x), -1))
        return self.raw(mean).numpy()

    def adopt(self, model: Any, x: np.ndarray, problem: Problem, width: np.ndarray) -> None:
        parts = [(e.tree_, e.tree_.value[:, :, 0] / len(model)) for e in model.estimators_]
        self.grow(parts, OPTIONS["max_depth"], width)
        self.fill(bias=np.zeros(problem.size))
