"""Write a trained model as a verified bundle."""

from functools import partial
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file as save_rows
from safetensors.torch import save_file

from mmbm.bundle import ROWS
from mmbm.bundle.writer import save
from mmbm.config import Config
from mmbm.console import say, stage
from mmbm.data.overlap import trained_rows
from mmbm.data.prepare import Data
from mmbm.inference.drift import reference
from mmbm.inference.evaluate import Report, evaluate
from mmbm.inference.generation import wrap_runner
from mmbm.inference.predictor import Predictor, load
from mmbm.inference.runners import units
from mmbm.inference.runners.onnx import OnnxRunner
from mmbm.inference.runners.torch import TorchRunner
from mmbm.training.card import card
from mmbm.training.export_onnx import TOLERANCE, export, verify
from mmbm.training.golden_rows import Golden
from mmbm.training.run_folder import Run

TRAINED = {"folds", "out_of_fold"}
"""Reports on rows that were trained on afterwards, valid ones included."""


def write_bundle(
    config: Config,
    data: Data,
    model: Any,
    run: Run,
    golden: Golden,
    baselines: Report,
    compared: Report | None = None,
    quick: Data | None = None,
) -> Predictor:
    """Weights, graphs checked against the model, golden rows and metrics: the run's bundle. `quick`
    is its training data, see `learn`."""
    measured = units(config, data.columns)

    def fill(folder: Path) -> Report:
        weights = {k: v.cpu().contiguous().clone() for k, v in model.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        with stage("Exporting the graphs"):
            export(model, data.columns, folder / "graphs")
            verify(model, config, data.columns, folder / "graphs", data.splits["valid"], measured)
        save_rows(trained_rows(config, data.splits), folder / ROWS)
        with stage("Measuring the graphs"):
            return final_metrics(config, data, folder / "graphs", baselines, compared)

    tolerance = {name: TOLERANCE * unit.std for name, unit in measured.items()}
    runner = wrap_runner(TorchRunner(model, next(model.parameters()).device), config)
    with stage("Answering golden rows and those of the drift reference"):
        answers = golden.answers(config, data, runner)
        read = quick or data
        drift = reference(config, read.columns, read.splits, runner)
    say("Writing the bundle: graphs, metrics, golden rows.")
    save(
        run.bundle, config, data.columns, fill, (golden.cells, answers), drift, tolerance,
        lambda metrics: card(config, data.columns, metrics), partial(load, verify=True),
    )  # fmt: skip
    return load(run.bundle)


def final_metrics(
    config: Config, data: Data, graphs: Path, baselines: Report, compared: Report | None
) -> Report:
    """Measured on the exported graphs; `compared` replaces valid if its rows were trained on."""
    runner = wrap_runner(OnnxRunner(graphs), config)
    measured = ("test",) if TRAINED & set(compared or {}) else ("valid", "test")
    metrics = {
        split: evaluate(runner, data.splits[split], config, data.columns)
        for split in measured
        if len(data.splits[split])
    }
    for split, report in metrics.items():
        if baselines.get(split):
            report["baselines"] = baselines[split]
    bad = {"bad_cells": {"rows": data.bad_rows}} if data.bad_rows else {}
    return {**metrics, **(compared or {}), **bad}
