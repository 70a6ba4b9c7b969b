"""Each modality trained alone with the same budget, to compare."""

from pathlib import Path
from typing import Any

from mmbm.config import Config
from mmbm.console import say
from mmbm.data.store import safe
from mmbm.inference.evaluate import Report
from mmbm.inference.predictor import Predictor, load
from mmbm.training import train
from mmbm.training.run_folder import Run, finished


def train_with_baselines(
    config: Config, folder: Path, resume: bool, start: Predictor | None, table: Any
) -> Predictor:
    """The model, and each modality trained alone with the same budget, to compare."""
    baselines: Report = {"valid": {}, "test": {}}
    for name, columns in config.modalities().items():
        own = alone(config, columns)
        if not own.targets:
            continue
        say(f"Baseline: {name} alone.")
        place = folder.with_name(f"{folder.name}-{safe(name)}")
        metrics = trained(own, place, resume, table).metrics
        for split in baselines.keys() & metrics.keys():
            baselines[split][name] = metrics[split]["subsets"][name]
    if resume and (done := finished(folder, config)):
        bundle = load(done / "bundle")
        if any("baselines" in report for report in bundle.metrics.values()):
            say(f"{done} is finished; its bundle is {bundle.path}.")
            return bundle
    with Run.start(config, folder, resume) as run:
        return train(config, run, start, table, baselines)


def trained(config: Config, folder: Path, resume: bool, table: Any) -> Predictor:
    """A run's bundle; of one that is resumed and finished, the one it has."""
    if resume and (done := finished(folder, config)):
        return load(done / "bundle")
    with Run.start(config, folder, resume) as run:
        return train(config, run, table=table)


def alone(config: Config, columns: list[str]) -> Config:
    """The same config with only these inputs, and the targets that need no others."""
    specs = {name: config.inputs[name] for name in columns}
    inputs = {
        name: spec if spec.tabular else spec.model_copy(update={"share_weights_with": None})
        for name, spec in specs.items()
    }
    targets = {name: spec for name, spec in config.targets.items() if spec.reads <= set(inputs)}
    train = config.train
    if train.monitor and train.monitor.rpartition(".")[0] not in targets:
        train = train.model_copy(update={"monitor": None})
    return config.model_copy(update={"inputs": inputs, "targets": targets, "train": train})
