"""From a config to a bundle. The loop fits a screen; what it calls does one thing each."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save_file as save_rows
from safetensors.torch import save_file

from mmbm.bundle import Bundle, load
from mmbm.bundle.writer import save
from mmbm.card import card
from mmbm.config import Config, MatchTarget, MediaSpec, TranscriptTarget
from mmbm.drift import reference
from mmbm.errors import Interrupted
from mmbm.evaluate import collect, evaluate, truths
from mmbm.export.onnx import TOLERANCE, export, verify
from mmbm.golden import Golden, take
from mmbm.nn.features import precomputed
from mmbm.nn.mix import Truth
from mmbm.nn.model import Model
from mmbm.nn.restore import check_start, start_from
from mmbm.prepare import Data, prepare
from mmbm.prepare.overlap import FILE as ROWS
from mmbm.prepare.overlap import trained_rows
from mmbm.prepare.store import safe
from mmbm.progress import say, stage
from mmbm.run import Run
from mmbm.runners import units
from mmbm.runners.onnx import OnnxRunner
from mmbm.runners.torch import TorchRunner
from mmbm.runners.writing import whole
from mmbm.selftraining import label
from mmbm.show import Training
from mmbm.state import TrainState

Report = dict[str, Any]


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
    golden = take(config, data)
    state, quick = finished(config, data, run, start)
    if config.train.self_training:
        taught = label(config, data, quick, state.runner())
        with Run(run.folder / "round-2", config, run.cache) as again:
            state, _ = finished(config, taught, again, start)
    return write(config, data, state.model, run, golden, baselines or {}, quick=quick)


def finished(
    config: Config, data: Data, run: Run, start: Bundle | None = None
) -> tuple[TrainState, Data]:
    """What `learn` gives, with the weights and the mix that are kept."""
    state, quick = learn(config, data, run, start)
    choose_weights(config, quick, state)
    fit_mix(config, quick, state)
    return state, quick


def learn(
    config: Config, data: Data, run: Run, start: Bundle | None = None
) -> tuple[TrainState, Data]:
    """The loop: every epoch of batches, a look at the valid split, a checkpoint.

    Also returns the data it learned from: features, where a frozen encoder's are computed once.
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
            scores = valid_scores(config, data, state)
            state.keep(epoch, state.score(scores))
            shown.epoch(epoch, scores)
            stop_or_save(state, run, data)
    return state, data


def valid_scores(config: Config, data: Data, state: TrainState) -> Report:
    with stage("Scoring the valid split"):
        return evaluate(state.runner(), data.splits["valid"], config, data.columns, full=False)


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


# ── after the last epoch ─────────────────────────────────────────────────────────────────────────


def choose_weights(config: Config, data: Data, state: TrainState) -> None:
    """The mean of the last epochs, unless others are clearly better on the valid split: by more
    than its standard error (Breiman et al. 1984). The best of many is mostly the luckiest."""
    scored = {name: state.score(valid_scores(config, data, state))[0] for name in state.finalists()}
    enough = max(scored.values()) - standard_error(config, data, state)
    for name in state.finalists():
        if scored[name] >= enough:
            break
    say(f"Weights: {name}.")


def standard_error(config: Config, data: Data, state: TrainState) -> float:
    """Of the monitored metric on the valid split, by bootstrap; 0 if it isn't a main metric."""
    target, metric = state.monitored()
    if metric != state.answers[target].main:
        return 0.0
    with stage("Scoring the valid split, with intervals"):
        report = evaluate(state.runner(), data.splits["valid"], config, data.columns)
    low, high = report["targets"][target]["interval"]
    return (high - low) / (2 * 1.96)


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
    known = truths(valid, state.answers)
    for name, target in state.model.mixed():
        truth, has = known[name]
        has = has & (truth >= 0) if config.targets[name].kind == "category" else has
        answers = outputs[f"{name}.answers"][has].swapaxes(0, 1)
        available = outputs[f"{name}.available"][has].T
        target.fit(answers, available, Truth(config.targets[name].kind, truth[has]))


def write(
    config: Config,
    data: Data,
    model: Any,
    run: Run,
    golden: Golden,
    baselines: Report,
    folds: Report | None = None,
    quick: Data | None = None,
) -> Bundle:
    """Weights, graphs checked against the model, golden rows and metrics: the run's bundle. `quick`
    is what it learned from, see `learn`."""
    measured = units(config, data.columns)

    def fill(folder: Path) -> Report:
        weights = {k: v.cpu().contiguous().clone() for k, v in model.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        with stage("Exporting the graphs"):
            export(model, data.columns, folder / "graphs")
            verify(model, config, data.columns, folder / "graphs", data.splits["valid"], measured)
        save_rows(trained_rows(config, data.splits), folder / ROWS)
        with stage("Measuring the graphs"):
            return final_metrics(config, data, folder / "graphs", baselines, folds)

    tolerance = {name: TOLERANCE * unit.std for name, unit in measured.items()}
    runner = whole(TorchRunner(model, next(model.parameters()).device), config)
    with stage("Answering golden rows and those of the drift reference"):
        answers = golden.answers(config, data, runner)
        read = quick or data
        drift = reference(config, read.columns, read.splits, runner)
    say("Writing the bundle: graphs, metrics, golden rows.")
    save(
        run.bundle, config, data.columns, fill, (golden.cells, answers), drift, tolerance,
        lambda metrics: card(config, data.columns, metrics),
    )  # fmt: skip
    return load(run.bundle)


def final_metrics(
    config: Config, data: Data, graphs: Path, baselines: Report, folds: Report | None
) -> Report:
    """Measured on the exported graphs; after cross-validation the folds stand for valid."""
    runner = whole(OnnxRunner(graphs), config)
    measured = ("test",) if folds else ("valid", "test")
    metrics = {
        split: evaluate(runner, data.splits[split], config, data.columns)
        for split in measured
        if len(data.splits[split])
    }
    for split, report in metrics.items():
        if baselines.get(split):
            report["baselines"] = baselines[split]
    return {**metrics, **({"folds": folds} if folds else {})}


# ── baselines ────────────────────────────────────────────────────────────────────────────────────


def train_with_baselines(
    config: Config, folder: Path, resume: bool, start: Bundle | None, table: Any
) -> Bundle:
    """The model, and each modality trained alone with the same budget, to compare."""
    baselines: Report = {"valid": {}, "test": {}}
    for name, columns in config.modalities().items():
        own = alone(config, columns)
        if not own.targets:
            continue
        say(f"Baseline: {name} alone.")
        place = folder.with_name(f"{folder.name}-{safe(name)}")
        with Run.start(own, place, resume) as run:
            metrics = train(own, run, table=table).metrics
        for split, report in metrics.items():
            baselines[split][name] = report["subsets"][name]
    with Run.start(config, folder, resume) as run:
        return train(config, run, start, table, baselines)


def alone(config: Config, columns: list[str]) -> Config:
    """The same config with only these inputs, and the targets that don't listen to others."""
    specs = {name: config.inputs[name] for name in columns}
    inputs = {
        name: spec.model_copy(update={"same_as": None}) if isinstance(spec, MediaSpec) else spec
        for name, spec in specs.items()
    }
    targets = {name: spec for name, spec in config.targets.items() if reads(spec) <= set(inputs)}
    train = config.train
    if train.monitor and train.monitor.rpartition(".")[0] not in targets:
        train = train.model_copy(update={"monitor": None})
    return config.model_copy(update={"inputs": inputs, "targets": targets, "train": train})


def reads(spec: Any) -> set[str]:
    """The inputs that a target can't do without."""
    if isinstance(spec, MatchTarget):
        return set(spec.columns)
    return {spec.of} if isinstance(spec, TranscriptTarget) else set()
