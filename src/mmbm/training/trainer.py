"""The loop, and the weights that it ends with."""

import json

import torch

from mmbm.bundle import Bundle
from mmbm.config import Config
from mmbm.errors import Interrupted
from mmbm.evaluate import Report, evaluate
from mmbm.nn.features import precomputed
from mmbm.nn.model import Model
from mmbm.nn.restore import start_from
from mmbm.prepare import Data
from mmbm.progress import say, stage
from mmbm.run import Run
from mmbm.runners.torch import TorchRunner
from mmbm.runners.writing import whole
from mmbm.show import Training
from mmbm.state import TrainState


def learn(
    config: Config, data: Data, run: Run, start: Bundle | None = None, score: bool = True
) -> tuple[TrainState, Data]:
    """The loop: every epoch of batches, a look at the valid split, a checkpoint.

    Also returns the data it learned from: features, where a frozen encoder's are computed once.

    score: whether valid rows are to choose epochs; without, none is scored, unless `train.patience`
    needs it.
    """
    torch.manual_seed(config.train.seed)
    model = Model(config, data.columns)
    if start:
        start_from(model, start, data.columns)
    model.adapt()
    data = precomputed(config, model, data, run.cache)
    state = TrainState(config, model, data.columns, data.splits["train"], run)
    state.resume(data_key(data))

    with Training(state, data, run) as shown, run.interruptible():
        for epoch in state.epochs():
            for batch in state.batches(epoch):
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


def valid_scores(config: Config, data: Data, model: Model) -> Report:
    runner = whole(TorchRunner(model, next(model.parameters()).device), config, quick=True)
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
        report = evaluate(state.runner(), data.splits["valid"], config, data.columns)
    low, high = report["targets"][target]["interval"]
    return (high - low) / (2 * 1.96)
