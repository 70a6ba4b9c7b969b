"""What an output means: graph outputs -> names, probabilities, metrics. No torch."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from mmbm.errors import MissingExtra
from mmbm.kinds.column import Arrays, Column
from mmbm.specs.columns import ColumnSpec, TargetSpec

NOT_SURE = "not sure"
"""The answer whose confidence is too low."""

DRAWS = 1000
"""Bootstrap samples of an interval."""


class Metric(NamedTuple):
    """A metric's name and which way is better."""

    name: str
    higher_is_better: bool


class Answer(Protocol):
    """Turns a target's graph output into what the user reads. `output` is [N, C], of a transcript
    [N, T, V], of a contrastive target [N, M, D]; what is measured is what `read` makes of it."""

    main: Metric
    metrics: tuple[Metric, ...]
    also: dict[str, Callable[[np.ndarray, np.ndarray], float]]
    """Metrics besides the main one that have an interval, as functions of output and truth."""

    def __init__(
        self, spec: Any, column: Any, inputs: Mapping[str, ColumnSpec], quick: bool = False
    ):
        """column: the fitted one; None of a target without cells. inputs: of the config.
        quick: see `build`."""
        ...

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        """One dict per row: `value`, `confidence` and `probabilities` where there are any."""
        ...

    def read(self, output: np.ndarray) -> np.ndarray:
        """What is measured of an output [N, …]: all of it, or of a transcript the texts."""
        ...

    def decided(self, output: np.ndarray) -> np.ndarray:
        """What `main_score` needs of an output as read, and no more: of many rows that is far
        less. `main_score` takes it in its place."""
        ...

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """The right answers and which rows have one [N] bool."""
        ...

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """All metrics over rows that have a right answer; `output` as read."""
        ...

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float: ...

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        """What a contribution is measured in [N]: how much `output` supports the answer of `of`."""
        ...


def build(
    spec: TargetSpec, column: Column | None, inputs: Mapping[str, ColumnSpec], quick: bool = False
) -> Answer:
    """The answer of a target. quick: as while training, of a transcript by a greedy search whatever
    it asks for, and of a contrastive target by some of its questions."""
    return spec.traits.part("answer")(spec, column, inputs, quick)


def sklearn_metrics() -> Any:
    """scikit-learn's metrics: only measuring needs them, answering doesn't. Raises MissingExtra."""
    try:
        from sklearn import metrics
    except ModuleNotFoundError as error:
        raise MissingExtra("Evaluating", "evaluate") from error
    return metrics


def intervals(answer: Answer, output: np.ndarray, truth: np.ndarray) -> dict[str, list[float]]:
    """95 % bootstrap intervals (percentile method, Efron 1979) over the rows: `interval`, of the
    main metric, and `METRIC_interval` of each in `also`. One sample is in memory at a time."""
    named = {"interval": (answer.main_score, answer.decided(output))}
    named |= {f"{name}_interval": (metric, output) for name, metric in answer.also.items()}
    scores: dict[str, list[float]] = {name: [] for name in named}
    generator = np.random.default_rng(0)
    for _ in range(DRAWS):
        rows = generator.integers(0, len(truth), len(truth))
        for name, (metric, measured) in named.items():
            scores[name].append(metric(measured[rows], truth[rows]))
    return {
        name: [float(x) for x in np.nanquantile(some, [0.025, 0.975])]
        for name, some in scores.items()
    }
