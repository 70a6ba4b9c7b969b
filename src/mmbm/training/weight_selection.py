"""Checkpoint selection: the epochs whose weights a run ends with, and early stopping."""

from collections.abc import Callable, Iterator
from typing import Any

from mmbm.console import say
from mmbm.training.checkpoint import CheckpointManager, Tensors, average
from mmbm.training.validator import Score, Validator


class WeightSelection:
    """The weights of the last epochs and of the best ones. `most`: of each (`average_checkpoints`);
    patience: epochs without a better score after which training stops."""

    def __init__(self, checkpoints: CheckpointManager, most: int, patience: int | None):
        self.checkpoints, self.most, self.patience = checkpoints, most, patience
        self.best: list[tuple[Score, int]] = []  # (score, epoch), best first
        self.last: list[int] = []  # the newest epochs
        self.improved = 0  # the epoch whose monitored metric was last better than all before
        self.stopped = False  # early: no better score for `patience` epochs

    def keep(self, epoch: int, weights: Tensors, score: Score = (0.0, 0.0)) -> None:
        """Keep the weights while they are candidates; stop after too many epochs without a gain."""
        self.checkpoints.save_epoch(epoch, weights, score)
        if not self.best or score[0] > self.best[0][0][0]:  # except for ties
            self.improved = epoch
        self.stopped = self.patience is not None and epoch - self.improved >= self.patience
        self.best = sorted([*self.best, (score, epoch)], reverse=True)[: self.most]
        self.last = [*self.last, epoch][-self.most :]

    def epochs(self) -> list[int]:
        """Epochs whose weights are candidates in the end."""
        return [*self.last, *(epoch for _, epoch in self.best)]

    def finalists(self, load: Callable[[Tensors], None]) -> Iterator[str]:
        """Load weights, the most robust first: the average of the last epochs (Izmailov et al.
        2018), the average of the best ones, the best one."""
        best = [epoch for _, epoch in self.best]
        for epochs in dict.fromkeys(tuple(sorted(e)) for e in (self.last, best, best[:1])):
            load(average(self.checkpoints.load_epoch(epoch) for epoch in epochs))
            yield f"mean of epochs {', '.join(str(e + 1) for e in epochs)}"

    def choose(self, load: Callable[[Tensors], None], validator: Validator) -> None:
        """Load the mean of the last epochs, unless others are clearly better on the valid split: by
        more than its standard error (Breiman et al. 1984). The best of many epochs is mostly
        chance."""
        scored = {name: validator.score(validator.report())[0] for name in self.finalists(load)}
        enough = max(scored.values()) - validator.standard_error()
        for name in self.finalists(load):
            if scored[name] >= enough:
                break
        say(f"Weights: {name}.")

    def average(self, load: Callable[[Tensors], None]) -> None:
        """Load the mean of the last epochs, without selection."""
        next(self.finalists(load))

    def state(self) -> dict[str, Any]:
        names = ("best", "last", "improved", "stopped")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        self.improved, self.stopped, self.last = state["improved"], state["stopped"], state["last"]
        self.best = [(tuple(score), epoch) for score, epoch in state["best"]]
