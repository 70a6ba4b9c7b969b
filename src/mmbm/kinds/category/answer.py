"""One class out of several."""

import math
from typing import Any, ClassVar

import numpy as np

from mmbm.kinds.answer import Metric, sklearn_metrics
from mmbm.kinds.category.column import shown, text
from mmbm.kinds.category.spec import CategoryTarget
from mmbm.kinds.column import Arrays, Column

UNSEEN = -1
"""Truth of a row whose class training has never seen: every answer counts as wrong."""


class CategoryAnswer:
    main = Metric("accuracy", True)
    metrics = (
        main,
        Metric("balanced_accuracy", True),
        Metric("macro_f1", True),
        Metric("auroc", True),
        Metric("log_loss", False),
        Metric("calibration_error", False),
    )
    also: ClassVar = {}

    def __init__(
        self, spec: CategoryTarget, column: Column, inputs: Any = None, quick: bool = False
    ):
        self.values = shown(column.state)
        self.names = [text(value) for value in self.values]
        self.weighted = spec.class_weights == "balanced"
        self.frequency = np.array(column.state.get("counts", []), float)  # rows of each class
        self.counts: np.ndarray | None = None  # divisor of the probabilities for the decision
        if spec.decision == "balanced":
            self.counts = np.maximum(np.array(column.state["counts"], float), 1)

    def decide(self, output: np.ndarray) -> np.ndarray:
        """The class that is answered [N], of probabilities [N, C]."""
        return (output if self.counts is None else output / self.counts).argmax(-1)

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        best = self.decide(output)
        return [
            {
                "value": self.values[i],
                "confidence": float(p[i]),
                "probabilities": dict(zip(self.names, map(float, p))),
            }
            for i, p in zip(best, output)
        ]

    def read(self, output: np.ndarray) -> np.ndarray:
        return output

    def decided(self, output: np.ndarray) -> np.ndarray:
        return output if output.ndim == 1 else self.decide(output).astype(np.int32)

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        return target.values.astype(np.int64) - 1, target.present  # the column's 0 is "unseen"

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float:
        return float((self.decided(output) == truth).mean())

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        metrics = sklearn_metrics()
        guess = self.decide(output)
        classes = np.unique(truth)
        recalls = [float((guess[truth == c] == c).mean()) for c in classes]
        labels = np.unique(np.concatenate([truth, guess]))
        scores: dict[str, Any] = {
            "accuracy": float((guess == truth).mean()),
            "balanced_accuracy": float(np.mean(recalls)),
            "macro_f1": float(
                metrics.f1_score(truth, guess, labels=labels, average="macro", zero_division=0)  # type: ignore[arg-type]
            ),
            "auroc": self._auroc(output, truth),
            "log_loss": float(self.losses(output, truth).mean()),
            "calibration_error": calibration_error(output.max(-1), output.argmax(-1) == truth),
        }
        if (truth == UNSEEN).any():
            known = truth != UNSEEN
            scores["rows_of_unseen_classes"] = int((~known).sum())
            scores["accuracy_of_seen_classes"] = (
                float((guess[known] == truth[known]).mean()) if known.any() else None
            )
        return scores

    def _auroc(self, output: np.ndarray, truth: np.ndarray) -> float | None:
        """Mean over classes of one against the rest; None where no class has both sides."""
        sides = [truth == c for c in range(len(self.names))]
        both = [c for c, side in enumerate(sides) if side.any() and not side.all()]
        if len(self.names) == 2:
            both = both[-1:]  # the second class is the positive one
        return (
            float(np.mean([sklearn_metrics().roc_auc_score(sides[c], output[:, c]) for c in both]))
            if both
            else None
        )

    def prior(self) -> np.ndarray:
        """The prediction without any input: class frequencies [C]."""
        if self.weighted:
            return np.full(len(self.names), 1 / len(self.names))
        return self.frequency / self.frequency.sum()

    def constant(self, truth: np.ndarray) -> tuple[str, np.ndarray]:
        """The class that is most frequent in these rows, by its name and as an output [C]."""
        known = truth[truth != UNSEEN]
        best = np.bincount(known, minlength=len(self.names)).argmax()
        return self.names[best], np.eye(len(self.names))[best]

    def losses(self, output: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Negative log-likelihood of each row [N]."""
        p = np.clip(output, 1e-7, 1.0)
        return -np.log(np.where(truth == UNSEEN, 1e-7, p[np.arange(len(p)), truth]))

    def weakest(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any] | None:
        """The class with the lowest recall, if it is below the overall recall beyond chance."""
        right = self.decide(output) == truth
        found = []
        for c in np.unique(truth[truth != UNSEEN]):
            rows = int((truth == c).sum())
            recall = float(right[truth == c].mean())
            if wilson(recall, rows)[1] < right.mean():
                found.append({"class": self.names[c], "recall": recall, "rows": rows})
        return min(found, key=lambda one: one["recall"], default=None)

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        return np.take_along_axis(output, self.decide(of)[:, None], 1)[:, 0]


def wilson(part: float, rows: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    z = 1.96
    middle = (part + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * math.sqrt(part * (1 - part) / rows + (z / (2 * rows)) ** 2) / (1 + z * z / rows)
    return middle - half, middle + half


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error over equally wide bins (Guo et al. 2017)."""
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[bin_of == b].mean() - right[bin_of == b].mean()) * (bin_of == b).mean()
        for b in np.unique(bin_of)
    ]
    return float(np.sum(gaps))
