"""From a config to a bundle."""

from typing import Any, NamedTuple

from mmbm.bundle import Bundle
from mmbm.config import Config
from mmbm.evaluate import Report, collect
from mmbm.golden import take
from mmbm.nn.model import Model
from mmbm.nn.restore import check_start
from mmbm.prepare import Data, prepare
from mmbm.progress import say, stage
from mmbm.run import Run
from mmbm.selftraining import label
from mmbm.state import TrainState
from mmbm.training.classical import Judged, assign, fit, labelled
from mmbm.training.cross_fitting import (
    FEW,
    cross_fit,
    crossed,
    decide,
    may_cross,
    measured,
    network_only,
    resolved,
    settle,
)
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
    few = FEW if may_cross(config, start) else 0
    data = prepare(config, run.cache, run.quarantine, states, table=table, few=few)
    for note in data.notes:
        say(note)
    config = resolved(config, data, start)
    golden = take(config, data)
    if crossed(config, data):
        return cross_fit(config, data, run, golden, baselines or {})
    done = finished(config, data, run, start)
    if config.train.self_training:
        taught = label(config, data, done.quick, done.state.runner())
        with Run(run.folder / "round-2", config, run.cache) as again:
            done = finished(config, taught, again, start)
    model, compared = done.state.model, done.compared
    return write(config, data, model, run, golden, baselines or {}, compared, done.quick)


class Finished(NamedTuple):
    state: TrainState
    quick: Data  # what it learned from, see `learn`
    compared: Report  # its members, see `cross_fitting.measured`


def finished(config: Config, data: Data, run: Run, start: Bundle | None = None) -> Finished:
    """A network with the weights that are kept, classical members, and their mix."""
    state, quick = learn(network_only(config), data, run, start)
    choose_weights(network_only(config), quick, state)
    compared: Report = {}
    if config.classical:
        rows = data.splits["train"].rows
        others = Model(config.model_copy(update={"members": config.classical}), data.columns)
        fit(config, others, data, quick, rows, assign(config, data, rows))
        state.model.join(others)
    if state.model.mixed():
        with stage("Choosing the mix of answers"):
            compared = choose_mix(config, data if config.classical else quick, state)
    state.model.settle()
    return Finished(state, quick, compared)


def choose_mix(config: Config, data: Data, state: TrainState) -> Report:
    """Let each target choose its mix and temperature on the valid split."""
    valid, whole = data.splits["valid"], tuple(config.modalities())
    outputs = collect(state.runner(), valid, data.columns, [whole], graph="candidates")[whole]
    judged = {}
    for name, target in state.model.mixed():
        _, has, _ = labelled(data, name, target, valid.rows)
        answers = outputs[f"{name}.answers"][has].swapaxes(0, 1)
        available = outputs[f"{name}.available"][has].T
        judged[name] = Judged(target.names[:-1], answers, available, valid.rows[has])
    decided = decide(config, data, state.model, judged)
    for name, target in state.model.mixed():
        settle(target, decided[name])
    report = measured(config, data, state.model, decided)
    return {name: part for name, part in report.items() if name != "out_of_fold"}
