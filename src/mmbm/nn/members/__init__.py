"""Classical members of an ensemble: models that are strong with few rows, fitted by scikit-learn.

A member reads fixed representations (`mmbm.nn.representations`) and returns the raw output of the
target's head [B, C]: logits of a category or of labels, standard scores of a number. After fitting
it is plain tensor operations of the `answer` graph. A member that isn't used is empty.

linear: logistic or ridge regression, one for each modality, and one over all of them. boosting:
gradient-boosted trees over all modalities. forest: randomized trees over the same.
"""

import math
import time
from typing import Any, NamedTuple

import numpy as np

Matrix = Any
"""Features of N rows [N, F], zero where a row lacks the modality: an array of numpy, or a sparse
matrix of scipy."""
Folds = list[tuple[np.ndarray, np.ndarray]]
"""Rows to fit on and held-out rows of each fold: positions of the N rows."""


class Problem(NamedTuple):
    """Training data of a member: a target's values on N rows."""

    task: str  # multiclass | regression | multilabel
    y: np.ndarray  # [N] class index | [N] standard scores | [N, L] 0/1
    size: int  # C

    def take(self, rows: np.ndarray) -> "Problem":
        return self._replace(y=self.y[rows])

    def loss(self, raw: np.ndarray) -> np.ndarray:
        """Loss of each row [N], for raw outputs [N, C]: log loss or squared error."""
        if self.task == "regression":
            return (raw[:, 0] - self.y) ** 2
        if self.task == "multilabel":
            return np.mean(np.logaddexp(0, raw) - self.y * raw, axis=1)
        return np.logaddexp.reduce(raw, axis=1) - raw[np.arange(len(raw)), self.y]


class OutOfTime(Exception):
    """There is no time to fit a member."""


class Pace:
    """Remaining fitting time of a member: each of its parts reports when it is done."""

    def __init__(self, parts: float, end: float = math.inf):
        """parts: equal ones that fitting it has. end: on the monotonic clock."""
        self.parts, self.end = parts, end
        self.begun, self.done = time.monotonic(), 0

    def step(self) -> None:
        """A part is done. Raises OutOfTime if the others don't fit in time."""
        self.done += 1
        now = time.monotonic()
        if now + (now - self.begun) / self.done * (self.parts - self.done) > self.end:
            raise OutOfTime


def dense(x: Matrix) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else x.toarray()
