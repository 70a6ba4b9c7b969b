"""A number in the target's own unit."""

from typing import Any, ClassVar

import numpy as np

from mmbm.kinds.answer import Metric
from mmbm.kinds.column import Arrays, Column
from mmbm.kinds.number.spec import NumberTarget


class NumberAnswer:
    main = Metric("rmse", False)
    metrics = (main, Metric("mae", False), Metric("r2", True))
    also: ClassVar = {}

    def __init__(self, spec: NumberTarget, column: Column, inputs: Any = None, quick: bool = False):
        self.log = spec.log
        self.mean = column.state.get("mean", 0.0) if column.state else 0.0

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        return [{"value": float(x)} for x in output[:, 0]]

    def read(self, output: np.ndarray) -> np.ndarray:
        return output

    def decided(self, output: np.ndarray) -> np.ndarray:
        return output

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        return self._unit(target.values), target.present

    def _unit(self, x: np.ndarray) -> np.ndarray:
        return np.sign(x) * np.expm1(np.abs(x)) if self.log else x

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float:
        return float(np.sqrt(np.mean((output[:, 0] - truth) ** 2)))

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        error = output[:, 0] - truth
        spread = np.mean((truth - truth.mean()) ** 2)
        return {
            "rmse": float(np.sqrt(np.mean(error**2))),
            "mae": float(np.abs(error).mean()),
            "r2": float(1 - np.mean(error**2) / spread) if spread > 0 else None,
        }

    def prior(self) -> np.ndarray:
        """The prediction without any input [1]."""
        return self._unit(np.array([self.mean]))

    def constant(self, truth: np.ndarray) -> tuple[str, np.ndarray]:
        """The mean of these rows, as a text and as an output [1]."""
        return f"{truth.mean():.4g}", np.array([truth.mean()])

    def losses(self, output: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Squared error of each row [N], of logarithms with `log`."""
        values = output[:, 0], truth
        if self.log:
            values = tuple(np.sign(x) * np.log1p(np.abs(x)) for x in values)
        return (values[0] - values[1]) ** 2

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        return output[:, 0]
