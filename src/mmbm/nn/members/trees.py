"""Decision trees as tensor operations, for boosting and forests."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmbm.layers.fitted import Fitted
from mmbm.nn.members import Folds, Matrix, Pace, Problem, dense

COMPONENTS = 30
"""Principal components of a representation that isn't a table's own values (MulTaBench, arXiv
2605.10616)."""
LEAST = 1e-3
"""Spread of a component, relative to the first one, below which it is left out."""
SCORES = 30
"""Outputs above which those of a linear member are not read too."""
WIDTH = {True: 1e-5, False: 0.02}
"""Width of a split, in standard deviations: inside it a row takes both branches in part, so that
rounding, which differs between machines, can't change an answer. Cells' own values have none."""


NO_SPLIT = 1e9
"""Threshold below a leaf: every row goes left."""


class Trees(Fitted):
    """Features -> sum of the trees' values [B, C].

    It reads a table's own features, the first principal components of the others, and the output of
    the linear member of each modality. A tree is complete: [T, 2^D - 1] splits, level by level, and
    [T, 2^D] leaves.
    """

    feature: Tensor  # [T, 2^D - 1]
    threshold: Tensor  # [T, 2^D - 1]
    width: Tensor  # [T, 2^D - 1]
    value: Tensor  # [T, 2^D, C]
    bias: Tensor  # [C]

    def __init__(self, names: list[str], exact: list[str]):
        super().__init__(
            feature=torch.int64, threshold=torch.float32, width=torch.float32,
            value=torch.float32, bias=torch.float32,
        )  # fmt: skip
        self.names, self.exact = names, exact
        self.reduced: Any = torch.nn.ModuleList(Components() for n in names if n not in exact)

    def inputs(self, features: dict[str, Tensor], scores: Sequence[Tensor]) -> Tensor:
        own = [features[name] for name in self.exact]
        others = [name for name in self.names if name not in self.exact]
        parts = [reduce(features[name]) for name, reduce in zip(others, self.reduced)]
        return torch.cat([*own, *parts, *scores], 1)

    def forward(self, features: dict[str, Tensor], scores: Sequence[Tensor]) -> Tensor:
        x = self.inputs(features, scores)  # [B, F]
        trees, splits = self.feature.shape
        at = x[:, self.feature.flatten()].reshape(-1, trees, splits)
        left = ((self.threshold - at) / self.width + 0.5).clamp(0, 1)  # [B, T, 2^D - 1]
        share = torch.ones_like(left[:, :, :1])
        start = 0
        while start < splits:  # level by level
            size = share.shape[2]
            here = left[:, :, start : start + size]
            share = torch.stack([share * here, share * (1 - here)], 3).flatten(2)
            start += size
        return share.flatten(1) @ self.value.flatten(0, 1) + self.bias

    def nodes(self) -> int:
        """Splits and leaves of all trees as fitted."""
        splits = int((self.threshold < NO_SPLIT).sum())
        return 2 * splits + len(self.threshold)

    def fit_inputs(
        self, features: dict[str, Matrix], scores: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Inputs of N rows [N, F], and the width of a split on each [F]. `scores` are of rows that
        the linear members were not fitted on."""
        others = [name for name in self.names if name not in self.exact]
        parts = [dense(features[name]) for name in self.exact]
        exact = sum(part.shape[1] for part in parts)
        for name, reduce in zip(others, self.reduced):
            parts.append(reduce.fit(features[name]))
        x = np.concatenate([*parts, *scores], 1).astype(np.float32)
        width = WIDTH[False] * np.maximum(x.std(0), 1e-6)
        width[:exact] = WIDTH[True]
        return x, width

    def fit(
        self,
        features: dict[str, Matrix],
        scores: Sequence[np.ndarray],
        problem: Problem,
        folds: Folds,
        end: float = math.inf,
    ) -> np.ndarray:
        """Fit all rows; returns the raw outputs for held-out rows [N, C]. Raises OutOfTime."""
        pace = Pace(len(folds) + 1.2, end)  # the last part has all rows
        x, width = self.fit_inputs(features, scores)
        raw = np.zeros((len(x), problem.size))
        for fitted, judged in folds:
            raw[judged] = self.outputs(
                self.learn(x[fitted], problem.take(fitted)), x[judged], problem
            )
            pace.step()
        self.adopt(self.learn(x, problem), x, problem, width)
        return self.tempered(raw, problem)

    def tempered(self, raw: np.ndarray, problem: Problem) -> np.ndarray:
        """Raw outputs for held-out rows, calibrated; and the trees with them."""
        return raw

    def learn(self, x: np.ndarray, problem: Problem) -> Any:
        """Scikit-learn's model of these rows."""
        raise NotImplementedError

    def outputs(self, model: Any, x: np.ndarray, problem: Problem) -> np.ndarray:
        """Its raw outputs [N, C]."""
        raise NotImplementedError

    def adopt(self, model: Any, x: np.ndarray, problem: Problem, width: np.ndarray) -> None:
        """Take over its trees."""
        raise NotImplementedError

    def grow(self, trees: list[tuple[Any, np.ndarray]], depth: int, width: np.ndarray) -> None:
        """Take over scikit-learn's trees, each with the values of its nodes [nodes, C]."""
        splits = 2**depth - 1
        size = trees[0][1].shape[1]
        feature = np.zeros((len(trees), splits), np.int64)
        threshold = np.full((len(trees), splits), NO_SPLIT)
        value = np.zeros((len(trees), splits + 1, size))
        for i, (tree, values) in enumerate(trees):
            places = {0: 0}  # of the complete tree -> a node
            for place in range(splits):
                node = places[place]
                if tree.children_left[node] < 0:
                    places[2 * place + 1] = places[2 * place + 2] = node
                    continue
                feature[i, place], threshold[i, place] = tree.feature[node], tree.threshold[node]
                places[2 * place + 1] = tree.children_left[node]
                places[2 * place + 2] = tree.children_right[node]
            value[i] = values[[places[splits + leaf] for leaf in range(splits + 1)]]
        self.fill(feature=feature, threshold=threshold, width=width[feature], value=value)


class Components(Fitted):
    """Principal components [F] -> [k], in standard deviations; of TF-IDF without centering."""

    project: Tensor  # [F, k]
    shift: Tensor  # [k]

    def __init__(self):
        super().__init__(project=torch.float32, shift=torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.project + self.shift

    def fit(self, x: Matrix) -> np.ndarray:
        from sklearn.decomposition import PCA, TruncatedSVD

        count = max(1, min(COMPONENTS, x.shape[1] - 1, x.shape[0] // 4))
        kind = PCA if isinstance(x, np.ndarray) else TruncatedSVD
        model = kind(count, random_state=0).fit(x)
        mean = model.mean_ if isinstance(model, PCA) else np.zeros(x.shape[1])
        axes = np.asarray(model.components_).T  # [F, k]
        z = (x - mean if isinstance(x, np.ndarray) else x) @ axes
        spread = z.std(0)
        known = spread > LEAST * spread.max(initial=1e-6)  # beyond the rank there is only rounding
        spread = np.where(known, spread, np.inf)
        project = axes / spread
        self.fill(project=project, shift=-(mean @ project))
        return z / spread
