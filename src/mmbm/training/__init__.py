"""Training: from a config to a bundle."""

import math
import time
from typing import Any

import torch

from mmbm.config import Config
from mmbm.console import say, stage
from mmbm.data.few import few_rows
from mmbm.data.prepare import Data, prepare
from mmbm.inference.evaluate import Report, collect
from mmbm.inference.predictor import Predictor
from mmbm.inference.restore import check_start
from mmbm.inference.runners.torch import TorchRunner
from mmbm.nn.model import Model
from mmbm.training.budget import Budget
from mmbm.training.calibration import decide, joined, measured, needs_network, set_weights
from mmbm.training.classical import Judged, assign, fit, labelled
from mmbm.training.cost import add_costs
from mmbm.training.cross_fitting import (
    Finished,
    at_most,
    classical_only,
    cross_fit,
    crossed,
    may_cross,
    network_only,
    pooled,
    resolved,
)
from mmbm.training.golden_rows import take
from mmbm.training.run_folder import Run
from mmbm.training.self_training import label
from mmbm.training.trainer import Trainer, train_network
from mmbm.training.write_bundle import write_bundle


def train(
    config: Config,
    run: Run,
    start: Predictor | None = None,
    table: Any = None,
    baselines: Report | None = None,
) -> Predictor:
    """Prepare, train, choose the ensemble's weights, and write the run's bundle."""
    if start:
        check_start(config, start.bundle)
    states = {name: column.state for name, column in start.columns.items()} if start else None
    budget = Budget(config.train.minutes)
    few = at_most(config) if may_cross(config, start) else 0
    data = prepare(
        config, run.cache, run.quarantine, states, table=table, few=few, seconds=budget.reading
    )
    run.use(data)
    config = resolved(config, data, start)
    for note in [*data.notes, *few_rows(data.splits, crossed(config, data))]:
        say(note)
    if budget.bounded:
        untrained = TorchRunner(Model(network_only(config), data.columns))
        data = budget.reserve(config, data, untrained)
    golden = take(config, data)
    if crossed(config, data):
        done = cross_fit(config, data, run, budget)
    else:
        rounds = 2 if config.train.self_training else 1
        done = fit_model(config, data, run, start, budget.share(rounds))
    if config.train.self_training:
        assert done.quick is not None  # a network alone is trained, see `Config`
        runner = TorchRunner(done.model, next(done.model.parameters()).device)
        pseudo_labelled = label(config, data, done.quick, runner)
        with Run(run.folder / "round-2", config, run.cache) as again:
            done = fit_model(config, pseudo_labelled, again, start, budget.end)
    return write_bundle(
        done.config, data, done.model, run, golden, baselines or {}, done.compared, done.quick
    )


def fit_model(
    config: Config, data: Data, run: Run, start: Predictor | None = None, end: float = math.inf
) -> Finished:
    """A network with the selected weights, classical members compared with it, and their ensemble.
    end: deadline of all training, on the monotonic clock."""
    half = (time.monotonic() + end) / 2 if config.classical else end
    trainer, quick = train_network(network_only(config), data, run, start, end=half)
    trainer.choose_weights()
    if config.classical:
        return with_classical(config, data, quick, trainer, end)
    model, compared = trainer.model, {}
    if model.mixed():
        with stage("Choosing the mix of answers"):
            decided = decide(config, data, judge(config, quick, trainer))
        compared = measured(config, data, model, decided)
        add_costs(compared, model, data)
        del compared["out_of_fold"]  # the valid split has its own report
        for name, target in model.mixed():
            set_weights(target, decided[name])
    model.finalize()
    return Finished(config, model, compared, quick)


def with_classical(
    config: Config, data: Data, quick: Data, trainer: Trainer, end: float
) -> Finished:
    """Classical members fitted on train and valid rows, and their ensemble with the network. Its
    weights are chosen on the valid rows, unseen by the network, and on the other rows by members
    fitted without their fold. Without the network, on all rows."""
    model, rows = trainer.model, pooled(data)
    torch.manual_seed(config.train.seed)
    others = Model(classical_only(config), data.columns)
    judged = fit(config, others, data, quick, rows, assign(config, data, rows), end)
    network = judge(config, quick, trainer)
    with stage("Choosing the mix of answers"):
        both = {name: joined(network[name], other) for name, other in judged.items()}
        decided = decide(config, data, both)
        if any(needs_network(found) for found in decided.values()):
            model.join(others)
        else:
            config, model = classical_only(config), others
            decided = decide(config, data, judged)
    compared = measured(config, data, model, decided)
    add_costs(compared, model, data)
    for name, target in model.mixed():
        set_weights(target, decided[name])
    model.finalize()
    return Finished(config, model, compared)


def judge(config: Config, data: Data, trainer: Trainer) -> dict[str, Judged]:
    """Answers of the network's members to the valid split."""
    valid, whole = data.splits["valid"], tuple(config.modalities())
    outputs = collect(trainer.validator.runner(), valid, data.columns, [whole], graph="candidates")[
        whole
    ]
    judged = {}
    for name, target in trainer.model.mixed():
        has = labelled(data, name, target.task, valid.rows)
        answers = outputs[f"{name}.answers"][has].swapaxes(0, 1)
        available = outputs[f"{name}.available"][has].T
        judged[name] = Judged(target.names[:-1], answers, available, valid.rows[has])
    return judged
