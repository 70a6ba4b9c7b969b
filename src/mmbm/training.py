"""From a config to a bundle. The loop fits a screen; what it calls does one thing each."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from mmbm import bundle as bundles
from mmbm.bundle import Bundle
from mmbm.card import card
from mmbm.config import Config
from mmbm.errors import Interrupted
from mmbm.evaluate import collect, evaluate, truths
from mmbm.export.onnx import TOLERANCE, export, verify
from mmbm.nn.mix import Truth
from mmbm.nn.model import Model
from mmbm.nn.restore import start_from
from mmbm.prepare import Data, prepare, raw_cells
from mmbm.prepare.store import safe
from mmbm.progress import say
from mmbm.run import Run
from mmbm.runners.onnx import OnnxRunner
from mmbm.runners.torch import TorchRunner
from mmbm.show import Training
from mmbm.state import TrainState


def train(
    config: Config,
    run: Run,
    start: Bundle | None = None,
    table: Any = None,
    baselines: dict[str, Any] | None = None,
) -> Bundle:
    """Prepare, train, choose the best weights, and write the run's bundle."""
    torch.manual_seed(config.train.seed)
    states = {name: column.state for name, column in start.columns.items()} if start else None
    data = prepare(config, run.cache, run.quarantine, states, table=table)
    for note in data.notes:
        say(note)
    model = Model(config, data.columns)
    if start:
        start_from(model, start, data.columns)
    state = TrainState(config, model, data.columns, data.splits["train"], run)
    state.resume(data_key(data))

    with Training(state, data, run) as shown, run.interruptible():
        for epoch in state.epochs():
            for batch in state.batches(epoch):
                state.update(batch)
                shown.step()
                if run.checkpoint_due():
                    stop_or_save(state, run, data)
            scores = evaluate(
                state.runner(), data.splits["valid"], config, data.columns, full=False
            )
            state.keep(epoch, state.score(scores))
            shown.epoch(epoch, scores)
            state.save(data_key(data))
    return finish(config, data, state, run, baselines or {})


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
    return json.dumps(
        {
            "stores": [s.name for s in stores.values()],
            "rows": [len(r) for r in data.splits.values()],
        }
    )


def finish(
    config: Config, data: Data, state: TrainState, run: Run, baselines: dict[str, Any]
) -> Bundle:
    """The best weights, their mix and temperature, graphs, metrics: one bundle."""
    model, valid = state.model, data.splits["valid"]
    choose_weights(config, data, state)
    fit_mix(config, data, state)
    scale = {
        name: data.columns[name].state["std"] if spec.kind == "number" else 1.0
        for name, spec in config.targets.items()
    }

    def fill(folder: Path) -> dict[str, Any]:
        weights = {k: v.cpu().contiguous().clone() for k, v in model.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        export(model, data.columns, folder / "graphs")
        verify(model, data.columns, folder / "graphs", valid, scale)
        runner = OnnxRunner(folder / "graphs")
        metrics = {
            split: evaluate(runner, rows, config, data.columns)
            for split, rows in data.splits.items()
            if split != "train" and len(rows)
        }
        for split, report in metrics.items():
            if baselines.get(split):
                report["baselines"] = baselines[split]
        return metrics

    tolerance = {name: TOLERANCE * s for name, s in scale.items()}
    golden = golden_rows(config, data, state.runner())
    bundles.write(
        run.bundle,
        config,
        data.columns,
        fill,
        golden,
        tolerance,
        lambda m: card(config, data.columns, m),
    )
    run.close()
    return bundles.load(run.bundle)


def choose_weights(config: Config, data: Data, state: TrainState) -> None:
    """The best epoch, or the average of the best ones where that scores higher on valid."""
    scored = []
    for name in state.finalists():
        report = evaluate(state.runner(), data.splits["valid"], config, data.columns, full=False)
        scored.append((state.score(report), name))
    wanted = max(scored)[1]
    for name in state.finalists():
        if name == wanted:
            break
    say(f"Weights: {wanted}.")


def fit_mix(config: Config, data: Data, state: TrainState) -> None:
    """Let each target choose its mix and temperature on the valid split."""
    valid, runner = data.splits["valid"], state.runner()
    whole = tuple(config.modalities())
    outputs = collect(runner, valid, data.columns, [whole], graph="candidates")[whole]
    known = truths(valid, state.answers)
    for name, target in state.model.targets.items():
        truth, has = known[name]
        has = has & (truth >= 0) if config.targets[name].kind == "category" else has
        answers = outputs[f"{name}.answers"][has].swapaxes(0, 1)
        available = outputs[f"{name}.available"][has].T
        target.fit(answers, available, Truth(config.targets[name].kind, truth[has]))


def golden_rows(config: Config, data: Data, runner: TorchRunner):
    """A few rows spread over the valid split, as raw cells, with the trained model's answers."""
    valid, whole = data.splits["valid"], tuple(config.modalities())
    count = min(config.train.golden, len(valid))
    places = np.linspace(0, len(valid) - 1, count).astype(int) if count else np.empty(0, int)
    rows = valid.rows[places]
    cells = {
        name: list(raw_cells(data.table, name, spec.kind, rows))
        for name, spec in config.inputs.items()
    }
    raw = [{name: cells[name][i] for name in cells} for i in range(count)]
    chosen = type(valid)(valid.stores, valid.inputs, valid.targets, rows)
    answers = collect(runner, chosen, data.columns, [whole])[whole] if count else {}
    return raw, answers


def train_with_baselines(
    config: Config, folder: Path, resume: bool, start: Bundle | None, table: Any
) -> Bundle:
    """The model, and each modality trained alone with the same budget, to compare."""
    runs = {
        name: Run.start(
            alone(config, columns), folder.with_name(f"{folder.name}-{safe(name)}"), resume
        )
        for name, columns in config.modalities().items()
    }
    baselines: dict[str, dict[str, Any]] = {"valid": {}, "test": {}}
    for name, run in runs.items():
        say(f"Baseline: {name} alone.")
        metrics = train(alone(config, config.modalities()[name]), run, table=table).metrics
        for split, report in metrics.items():
            baselines[split][name] = report["subsets"][name]
    return train(config, Run.start(config, folder, resume), start, table, baselines)


def alone(config: Config, columns: list[str]) -> Config:
    """The same config with only these inputs."""
    inputs = {
        name: config.inputs[name].model_copy(update={"same_as": None})
        if hasattr(config.inputs[name], "same_as")
        else config.inputs[name]
        for name in columns
    }
    return config.model_copy(update={"inputs": inputs})
