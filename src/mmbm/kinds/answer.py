"""Decode a target's graph output into names, probabilities and metrics. No torch."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from mmbm.errors import MissingExtra
from mmbm.kinds.column import Arrays, Column
from mmbm.specs.columns import ColumnSpec, TargetSpec

NOT_SURE = "not sure"
"""The value that is returned where confidence is below the threshold."""

DRAWS = 1000
"""Bootstrap samples of an interval."""


class Metric(NamedTuple):
    """A metric's name and whether higher is better."""

    name: str
    higher_is_better: bool


class Answer(Protocol):
    """Decodes a target's graph output into values for the user. `output` is [N, C], of a transcript
    [N, T, V], of a contrastive target [N, M, D]; metrics are computed on the result of `read`."""

    main: Metric
    metrics: tuple[Metric, ...]
    also: dict[str, Callable[[np.ndarray, np.ndarray], float]]
    """Further metrics that get an interval, as functions of output and truth."""

    def __init__(
        self, spec: Any, column: Any, inputs: Mapping[str, ColumnSpec], quick: bool = False
    ):
        """column: the fitted column; None for a target without cells. inputs: of the config. quick:
        see `build`."""
        ...

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        """One dict per row: `value`, `confidence` and `probabilities` where there are any."""
        ...

    def read(self, output: np.ndarray) -> np.ndarray:
        """The input of the metrics from an output [N, …]: unchanged, or a transcript's texts."""
        ...

    def decided(self, output: np.ndarray) -> np.ndarray:
        """The part of an output, as read, that `main_score` needs: for many rows far smaller.
        `main_score` accepts it instead."""
        ...

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """The true answers, and which rows have one [N] bool."""
        ...

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """All metrics over the rows that have a true answer; `output` as read."""
        ...

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float: ...

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        """The quantity that attributions divide [N]: the support of `output` for the answer of
        `of`."""
        ...


@runtime_checkable
class HasWeakest(Protocol):
    """An answer of classes."""

    def weakest(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any] | None:
        """The class with the lowest recall, if it is below the overall recall beyond chance."""
        ...


@runtime_checkable
class Joins(Protocol):
    """An answer whose value is a list."""

    @property
    def joined_by(self) -> str | None:
        """The separator in a csv; None: a JSON list."""
        ...


def build(
    spec: TargetSpec, column: Column | None, inputs: Mapping[str, ColumnSpec], quick: bool = False
) -> Answer:
    """The `Answer` of a target. quick: as in training: greedy search for a transcript, whatever its
    config, and a sample of the queries for a contrastive target."""
    return spec.traits.part("answer")(spec, column, inputs, quick)


def sklearn_metrics() -> Any:
    """scikit-learn's metrics: needed for evaluation only. Raises MissingExtra."""
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
