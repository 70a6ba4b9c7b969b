"""Gradient-boosted trees (Friedman 2001)."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from mmbm.nn.members import Problem
from mmbm.nn.members.trees import Trees

DEPTH = 4
OPTIONS = {"max_depth": DEPTH, "subsample": 0.7, "min_samples_leaf": 5, "random_state": 0}
TREES, LEAST, MOST = 450, 45, 150
"""Number of trees of all classes together, and minimum and maximum rounds."""
PACE = 9.0
"""Learning rate times rounds."""
FEATURES = 40
"""Features considered per split, at most; else a third of all."""
CLASSES = 20
"""With more classes there is no boosting: each has a tree in every round."""

TEMPERATURES = np.geomspace(0.5, 8, 33)
"""Temperatures for the raw outputs of a category (Guo et al. 2017)."""
LARGEST = 40.0
"""A raw output beyond it is a sign of divergence: a probability of 1 to e^40."""

STUMP = SimpleNamespace(children_left=[-1])
"""A tree with a single leaf."""


class Boosting(Trees):
    def tempered(self, raw: np.ndarray, problem: Problem) -> np.ndarray:
        """Temperature of categories, by the held-out rows: boosting is overconfident."""
        if problem.task == "regression":
            return raw
        losses = [problem.loss(raw / t).mean() for t in TEMPERATURES]
        t = TEMPERATURES[int(np.argmin(losses))]
        self.fill(value=self.value / t, bias=self.bias / t)
        return raw / t

    def learn(self, x: np.ndarray, problem: Problem) -> Any:
        """None if there is only one class."""
        from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

        rounds = int(np.clip(TREES // max(problem.size - 1, 1), LEAST, MOST))
        options = {
            **OPTIONS, "n_estimators": rounds, "learning_rate": PACE / rounds,
            "max_features": min(1 + x.shape[1] // 3, FEATURES), "init": "zero",
        }  # fmt: skip
        if problem.task == "regression":
            return GradientBoostingRegressor(**options).fit(x, problem.y)
        if len(np.unique(problem.y)) == 1:
            return None
        return steady(GradientBoostingClassifier(**options).fit(x, problem.y), x)

    def outputs(self, model: Any, x: np.ndarray, problem: Problem) -> np.ndarray:
        """A class that is absent from the fitted rows has a low one."""
        if problem.task == "regression":
            return model.predict(x)[:, None]
        raw = np.full((len(x), problem.size), -10.0)
        if model is None:
            return np.zeros_like(raw)
        found = model.decision_function(x)
        raw[:, model.classes_] = np.stack([-found, found], 1) / 2 if found.ndim == 1 else found
        return raw

    def adopt(self, model: Any, x: np.ndarray, problem: Problem, width: np.ndarray) -> None:
        if model is None:  # every row has the same class: no tree has a split
            self.grow([(STUMP, np.zeros((1, problem.size)))], 1, width)
            self.fill(bias=np.zeros(problem.size))
            return
        self.grow(trees(model, problem), DEPTH, width)
        grown = self.outputs(model, x[:1], problem) - self.plain(x[:1])
        self.fill(bias=grown[0])

    def plain(self, x: np.ndarray) -> np.ndarray:
        """The sum of the trees without soft splits [N, C]."""
        feature, threshold = self.feature.numpy(), self.threshold.numpy()
        total = np.zeros((len(x), self.value.shape[2]))
        for i in range(len(feature)):
            place = np.zeros(len(x), np.int64)
            while place[0] < feature.shape[1]:
                right = x[np.arange(len(x)), feature[i, place]] > threshold[i, place]
                place = 2 * place + 1 + right
            total += self.value[i].numpy()[place - feature.shape[1]]
        return total


def steady(model: Any, x: np.ndarray) -> Any:
    """Without the rounds after which it diverges: a Newton step isn't bounded if a class has hardly
    any probability in a row that has it."""
    for i, raw in enumerate(model.staged_decision_function(x)):
        if not np.abs(raw).max() < LARGEST:
            model.estimators_ = model.estimators_[: max(i, 1)]
            break
    return model


def trees(model: Any, problem: Problem) -> list[tuple[Any, np.ndarray]]:
    """Each tree with its nodes' part of the raw output [nodes, C]."""
    found = []
    for stage in model.estimators_:
        for k, estimator in enumerate(stage):
            value = model.learning_rate * estimator.tree_.value[:, 0, 0]
            columns = np.zeros((len(value), problem.size))
            if problem.task == "regression":
                columns[:, 0] = value
            elif len(model.classes_) == 2:
                first, second = model.classes_
                columns[:, first], columns[:, second] = -value / 2, value / 2
            else:
                columns[:, model.classes_[k]] = value
            found.append((estimator.tree_, columns))
    return found
