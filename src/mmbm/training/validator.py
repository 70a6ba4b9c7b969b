"""Validation during training: scores on the valid split, and the monitored one."""

from mmbm.config import Config
from mmbm.console import stage
from mmbm.data.prepare import Data
from mmbm.errors import ConfigError, TrainingError
from mmbm.inference.evaluate import Report, build_answers, evaluate
from mmbm.inference.generation import wrap_runner
from mmbm.inference.runners import Runner
from mmbm.inference.runners.torch import TorchRunner
from mmbm.kinds.answer import Metric
from mmbm.nn.model import Model

Score = tuple[float, float]
"""Monitored score, larger is better; the second number breaks ties of the first."""


class Validator:
    """Scores a model on the valid split. Raises ConfigError if `train.monitor` names an unknown
    metric: before training, not after an epoch."""

    def __init__(self, config: Config, data: Data, model: Model):
        self.config, self.data, self.model = config, data, model
        self.answers = build_answers(config, data.columns)
        self.target, self.metric = self._monitored()

    def runner(self) -> Runner:
        device = next(self.model.parameters()).device
        return wrap_runner(TorchRunner(self.model, device), self.config, quick=True)

    def report(self) -> Report:
        """Scores of every target."""
        with stage("Scoring the valid split"):
            return self._evaluate(intervals=False)

    def score(self, report: Report) -> Score:
        """The monitored metric of a report, larger is better; its target's loss, of a transcript
        the character error rate, or of a text chrF breaks ties."""
        scores = report["targets"][self.target]
        value = scores.get(self.metric.name)
        if value is None:
            raise TrainingError(
                f"train.monitor: {self.target}.{self.metric.name} can't be computed on the valid "
                f"split ({scores.get('rows', 0)} rows have this target)."
            )
        sign = 1 if self.metric.higher_is_better else -1
        return sign * value, scores.get("chrf", -scores.get("log_loss", scores.get("cer", 0.0)))

    def standard_error(self) -> float:
        """Of the monitored metric, by bootstrap; 0 if it isn't a main metric."""
        if self.metric != self.answers[self.target].main:
            return 0.0
        with stage("Scoring the valid split, with intervals"):
            low, high = self._evaluate(intervals=True)["targets"][self.target]["interval"]
        return (high - low) / (2 * 1.96)

    def _evaluate(self, intervals: bool) -> Report:
        rows, columns = self.data.splits["valid"], self.data.columns
        return evaluate(self.runner(), rows, self.config, columns, full=False, intervals=intervals)

    def _monitored(self) -> tuple[str, Metric]:
        """`train.monitor`, or the main metric of the first target."""
        name = self.config.train.monitor
        if name is None:
            target = next(iter(self.answers))
            return target, self.answers[target].main
        target, _, metric = name.rpartition(".")
        answer = self.answers.get(target)
        known = {m.name: m for m in answer.metrics} if answer else {}
        if metric not in known:
            options = [f"{t}.{m.name}" for t, a in self.answers.items() for m in a.metrics]
            raise ConfigError(f"train.monitor: no {name!r}; it can be {', '.join(options)}.")
        return target, known[metric]


def valid_scores(config: Config, data: Data, model: Model) -> Report:
    return Validator(config, data, model).report()
