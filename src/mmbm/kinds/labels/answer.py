"""Multi-label answers: any number of labels per row."""

from typing import Any, ClassVar

import numpy as np

from mmbm.kinds.answer import Metric, sklearn_metrics
from mmbm.kinds.category.column import shown, text
from mmbm.kinds.column import Arrays, Column
from mmbm.kinds.labels.spec import LabelsTarget


class LabelsAnswer:
    main = Metric("micro_f1", True)
    metrics = (main, Metric("macro_f1", True), Metric("accuracy", True), Metric("auroc", True))
    also: ClassVar = {}

    def __init__(self, spec: LabelsTarget, column: Column, inputs: Any = None, quick: bool = False):
        self.values = shown(column.state)
        self.names = [text(value) for value in self.values]
        self.separator, self.format = spec.separator, spec.format
        rows = max(column.state.get("rows", 0), 1)
        self.frequency = np.array(column.state.get("counts", []), float) / rows
        self.threshold = spec.threshold

    @property
    def joined_by(self) -> str | None:
        """The separator of labels in a csv; None where joined labels can't be parsed: a list
        then."""
        plain = self.format == "separated" and not any(self.separator in n for n in self.names)
        return self.separator if plain else None

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        """`confidence` is that of the least certain label, present or absent."""
        return [
            {
                "value": [v for v, x in zip(self.values, p) if x >= self.threshold],
                "confidence": float(np.maximum(p, 1 - p).min()),
                "probabilities": dict(zip(self.names, map(float, p))),
            }
            for p in output
        ]

    def read(self, output: np.ndarray) -> np.ndarray:
        return output

    def decided(self, output: np.ndarray) -> np.ndarray:
        return output if output.dtype == bool else output >= self.threshold

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        return target.values.astype(np.int64), target.present

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float:
        said = self.decided(output)
        both = (said & (truth == 1)).sum()
        total = said.sum() + truth.sum()
        return float(2 * both / total) if total else 1.0

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """`accuracy` is the fraction of rows with every label right."""
        said = output >= self.threshold
        per_label = {
            name: self.main_score(output[:, [i]], truth[:, [i]])
            for i, name in enumerate(self.names)
        }
        both = [i for i in range(len(self.names)) if 0 < truth[:, i].mean() < 1]
        aurocs = [sklearn_metrics().roc_auc_score(truth[:, i], output[:, i]) for i in both]
        return {
            "micro_f1": self.main_score(output, truth),
            "macro_f1": float(np.mean(list(per_label.values()))),
            "accuracy": float((said == (truth == 1)).all(-1).mean()),
            "auroc": float(np.mean(aurocs)) if aurocs else None,
            "f1": per_label,
        }

    def prior(self) -> np.ndarray:
        """The prediction without any input [L]."""
        return self.frequency

    def constant(self, truth: np.ndarray) -> tuple[str, np.ndarray]:
        """The most frequent labels of these rows, as many as give the best micro F1, as a text and
        an output [L]."""
        frequency = truth.mean(0)
        order = np.argsort(-frequency, kind="stable")
        scores = 2 * np.cumsum(frequency[order]) / (np.arange(1, len(order) + 1) + frequency.sum())
        said = np.zeros(len(order))
        said[order[: int(scores.argmax()) + 1]] = 1.0
        return self.separator.join(n for n, one in zip(self.names, said) if one), said

    def losses(self, output: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Mean negative log-likelihood of the labels of each row [N]."""
        p = np.clip(output, 1e-7, 1 - 1e-7)
        return -np.mean(np.where(truth == 1, np.log(p), np.log(1 - p)), axis=1)

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Mean probability of each label's state in the answer of `of`."""
        said = of >= self.threshold
        return np.where(said, output, 1 - output).mean(-1)
