"""From a config to a bundle."""

from typing import Any

from mmbm.bundle import Bundle
from mmbm.config import Config
from mmbm.evaluate import Report, collect
from mmbm.golden import take
from mmbm.nn.restore import check_start
from mmbm.prepare import Data, prepare
from mmbm.progress import say, stage
from mmbm.run import Run
from mmbm.selftraining import label
from mmbm.state import TrainState
from mmbm.training.classical import Judged, labelled
from mmbm.training.cross_fitting import cross_fit, crossed, decide, settle, with_members
from mmbm.training.finish import write
from mmbm.training.trainer import choose_weights, learn


def train(
    config: Config,
    run: Run,
    start: Bundle | None = None,
    table: Any = None,
    baselines: Report | None = None,
) -> Bundle:
    """Prepare, train, choose weights and mix, and write the run's bundle."""
    if start:
        check_start(config, start)
    states = {name: column.state for name, column in start.columns.items()} if start else None
    data = prepare(config, run.cache, run.quarantine, states, table=table)
    for note in data.notes:
        say(note)
    config = with_members(config, data, start)
    golden = take(config, data)
    if crossed(config, data):
        return cross_fit(config, data, run, golden, baselines or {})
    state, quick = finished(config, data, run, start)
    if config.train.self_training:
        taught = label(config, data, quick, state.runner())
        with Run(run.folder / "round-2", config, run.cache) as again:
            state, quick = finished(config, taught, again, start)
    return write(config, data, state.model, run, golden, baselines or {}, quick=quick)


def finished(
    config: Config, data: Data, run: Run, start: Bundle | None = None
) -> tuple[TrainState, Data]:
    """What `learn` gives, with the weights and the mix that are kept."""
    state, quick = learn(config, data, run, start)
    choose_weights(config, quick, state)
    fit_mix(config, quick, state)
    return state, quick


def fit_mix(config: Config, data: Data, state: TrainState) -> None:
    """Let each target choose its mix and temperature on the valid split."""
    if state.model.mixed():
        with stage("Choosing the mix of answers"):
            choose_mix(config, data, state)
    state.model.settle()


def choose_mix(config: Config, data: Data, state: TrainState) -> None:
    valid, runner = data.splits["valid"], state.runner()
    whole = tuple(config.modalities())
    outputs = collect(runner, valid, data.columns, [whole], graph="candidates")[whole]
    judged = {}
    for name, target in state.model.mixed():
        _, has, _ = labelled(data, name, target, valid.rows)
        answers = outputs[f"{name}.answers"][has].swapaxes(0, 1)
        available = outputs[f"{name}.available"][has].T
        judged[name] = Judged(target.names[:-1], answers, available, valid.rows[has])
    decided = decide(config, data, state.model, judged)
    for name, target in state.model.mixed():
        settle(target, decided[name])
