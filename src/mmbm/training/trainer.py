"""The loop, and the weights that it ends with."""

import json
import math
import time

import torch

from mmbm.config import Config
from mmbm.console import say, stage
from mmbm.data.prepare import Data
from mmbm.errors import Interrupted
from mmbm.inference.evaluate import Report, evaluate
from mmbm.inference.generation import wrap_runner
from mmbm.inference.predictor import Predictor
from mmbm.inference.restore import start_from
from mmbm.inference.runners.torch import TorchRunner
from mmbm.nn.model import Model
from mmbm.training.feature_cache import precomputed
from mmbm.training.log import Training
from mmbm.training.run_folder import Run
from mmbm.training.state import TrainState

WARMING = 2
"""First steps of a network, whose time says little of that of the others."""


def learn(
    config: Config,
    data: Data,
    run: Run,
    start: Predictor | None = None,
    score: bool = True,
    end: float = math.inf,
    least: float = 0.0,
) -> tuple[TrainState, Data]:
    """The loop: every epoch of batches, a look at the valid split, a checkpoint.

    Also returns the data it learned from: features, where a frozen encoder's are computed once.

    score: whether valid rows are to choose epochs; without, none is scored, unless `train.patience`
    needs it. end: when it must be done, on the monotonic clock; it takes fewer steps then, and ends
    at once where that would be less than the part `least` of them.
    """
    torch.manual_seed(config.train.seed)
    model = Model(config, data.columns)
    if start:
        start_from(model, start.bundle, data.columns)
    model.inject_lora()
    run.use(data)
    data = precomputed(config, model, data, run.cache)
    run.use(data)
    state = TrainState(config, model, data.columns, data.splits["train"], run)
    state.resume(data_key(data))

    pace = Pace(state, end, least)
    with Training(state, data, run) as shown, run.interruptible():
        for epoch in state.epochs():
            for batch in state.batches(epoch):
                if pace.shorten():
                    break
                state.update(batch)
                shown.step()
                if state.inside_epoch and run.checkpoint_due():
                    stop_or_save(state, run, data)
            if score or config.train.patience:
                scores = valid_scores(config, data, state.model)
                state.keep(epoch, state.score(scores))
                shown.epoch(epoch, scores)
            else:
                state.keep(epoch)
                shown.epoch(epoch)
            stop_or_save(state, run, data)
    return state, data


class Pace:
    """How fast a network learns, and by that how many of its steps there is time for."""

    def __init__(self, state: TrainState, end: float, least: float):
        self.state, self.end, self.least = state, end, least * state.total
        self.first, self.begun = state.step, time.monotonic()

    def shorten(self) -> bool:
        """Plan no more steps than there is time for; whether all are done. The first are slower
        than the others, and are not counted."""
        state, now = self.state, time.monotonic()
        if state.step - self.first == WARMING:
            self.begun = now
        done = state.step - self.first - WARMING
        if math.isfinite(self.end) and (done > 0 or now > self.end):
            each = (now - self.begun) / max(done, 1)
            more = max(int((self.end - now) / each), 0) if now < self.end else 0
            state.total = min(state.total, max(state.step + more, 1))
            if state.total < self.least:
                state.total = state.step
        return state.step >= state.total


def valid_scores(config: Config, data: Data, model: Model) -> Report:
    runner = wrap_runner(TorchRunner(model, next(model.parameters()).device), config, quick=True)
    with stage("Scoring the valid split"):
        return evaluate(runner, data.splits["valid"], config, data.columns, full=False)


def stop_or_save(state: TrainState, run: Run, data: Data) -> None:
    state.save(data_key(data))
    if run.stop:
        raise Interrupted(
            f"Stopped after step {state.step} of {state.total}; {run.folder} is saved. Go on with "
            "the same command and --resume."
        )


def data_key(data: Data) -> str:
    """What a resumed run must find unchanged: prepared cells and rows."""
    stores = data.splits["train"].stores
    rows = {split: len(rows) for split, rows in data.splits.items()}
    return json.dumps({"stores": [store.name for store in stores.values()], "rows": rows})


def choose_weights(config: Config, data: Data, state: TrainState) -> None:
    """The mean of the last epochs, unless others are clearly better on the valid split: by more
    than its standard error (Breiman et al. 1984). The best of many is mostly the luckiest."""
    scored = {
        name: state.score(valid_scores(config, data, state.model))[0] for name in state.finalists()
    }
    enough = max(scored.values()) - standard_error(config, data, state)
    for name in state.finalists():
        if scored[name] >= enough:
            break
    say(f"Weights: {name}.")


def load_average(state: TrainState) -> None:
    """Load the mean of the last epochs: nothing is chosen."""
    next(state.finalists())


def standard_error(config: Config, data: Data, state: TrainState) -> float:
    """Of the monitored metric on the valid split, by bootstrap; 0 if it isn't a main metric."""
    target, metric = state.monitored()
    if metric != state.answers[target].main:
        return 0.0
    with stage("Scoring the valid split, with intervals"):
        report = evaluate(
            state.runner(), data.splits["valid"], config, data.columns, full=False, intervals=True
        )
    low, high = report["targets"][target]["interval"]
    return (high - low) / (2 * 1.96)
