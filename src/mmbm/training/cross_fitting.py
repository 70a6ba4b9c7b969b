"""Cross-fitting for few rows: train and valid rows together, every member judged on unseen rows.

A valid split of 30 to 200 rows can't reliably choose an epoch, weights and a temperature. So the
labelled rows are divided into folds; for each fold a network is trained on the others, as classical
members are, and their answers for all rows choose the weights. The members that have a weight are
then trained once more on all rows.
"""

from typing import NamedTuple

import numpy as np
import torch

from mmbm.config import Config, MemberName
from mmbm.console import say, stage
from mmbm.data.batches import Split
from mmbm.data.prepare import Data
from mmbm.inference.evaluate import Report, collect
from mmbm.inference.predictor import Predictor
from mmbm.nn.answer_ensemble import network_names
from mmbm.nn.model import Model
from mmbm.training import classical
from mmbm.training.budget import PATIENCE, Budget
from mmbm.training.calibration import (
    decide,
    joined,
    measured,
    needs_network,
    set_weights,
)
from mmbm.training.classical import Judged
from mmbm.training.cost import add_costs
from mmbm.training.feature_cache import cache_frozen_features
from mmbm.training.run_folder import Run
from mmbm.training.trainer import train_network

FEW = {"quick": 0, "balanced": 1200, "best": 5000}
"""Labelled rows up to which networks are judged by folds, by preset."""
MANY = 5000
"""Labelled rows above which classical members are not used: `members: auto` is the network."""
CLASSICAL: list[MemberName] = ["linear", "boosting", "forest"]
NETWORKS = {"balanced": 3, "best": 5}
"""Folds that networks are trained on."""
AMPLE = 5
"""Minutes that suffice for the preset best, if rows are no more than FEW["balanced"]."""


def resolved(config: Config, data: Data, start: Predictor | None) -> Config:
    """The config with settings resolved that depend on the table and on others: `members: auto`,
    and the decision rule for a monitored metric of imbalanced classes."""
    name, _, metric = (config.train.monitor or "").rpartition(".")
    target = config.targets.get(name)
    if (
        target is not None
        and target.task == "multiclass"
        and metric in ("balanced_accuracy", "macro_f1")
    ):
        balanced = target.model_copy(update={"decision": "balanced"})
        config = config.model_copy(update={"targets": {**config.targets, name: balanced}})
    few = may_cross(config, start) and len(pooled(data)) <= MANY
    if ample(config) and len(pooled(data)) <= FEW["balanced"]:
        best = config.train.model_copy(update={"preset": "best"})
        config = config.model_copy(update={"train": best})
    quick = config.train.preset == "quick"
    if quick and not few:
        fewer = {"epochs": max(1, config.train.epochs // 4)}
        config = config.model_copy(update={"train": config.train.model_copy(update=fewer)})
    if config.members != "auto":
        return config
    members = CLASSICAL if quick else ["network", *CLASSICAL]
    return config.model_copy(update={"members": members if few else ["network"]})


def ample(config: Config) -> bool:
    """Whether there is time for a larger preset, if the user chose none."""
    chosen = "preset" in config.train.model_fields_set
    return not chosen and (config.train.minutes or 0) >= AMPLE


def may_cross(config: Config, start: Predictor | None) -> bool:
    """Whether members are compared by folds where rows are few: every target is an ensemble, and
    the run is plain training."""
    plain = not config.data.folds and start is None and config.train.self_training is None
    classical = config.members == "auto" or bool(config.classical)
    return plain and classical and all(spec.task for spec in config.targets.values())


def at_most(config: Config) -> int:
    """Labelled rows up to which members are compared by folds."""
    networks = config.network and config.train.preset != "quick"
    return FEW[config.train.preset] if networks else MANY


def crossed(config: Config, data: Data) -> bool:
    """Whether members are compared by folds."""
    few = may_cross(config, None) and len(pooled(data)) <= at_most(config)
    return not config.network or few


def pooled(data: Data) -> np.ndarray:
    """Train and valid rows of the table."""
    return np.union1d(data.splits["train"].rows, data.splits["valid"].rows)


def with_networks(
    config: Config,
    data: Data,
    run: Run,
    rows: np.ndarray,
    judged: dict[str, Judged],
    budget: Budget,
) -> dict[str, Judged]:
    """Train a network for each fold, and add its answers for the rows of the fold; none if the
    first one gets no weight in the ensemble for its rows: training then stops. Nor if there is time
    for only a small part of its steps."""
    preset = config.train.preset
    fold_of = classical.assign(config, data, rows, NETWORKS[preset])
    parts: dict[str, list[Judged]] = {name: [] for name in judged}
    folds = np.unique(fold_of)
    for fold in folds:
        say(f"Network {fold + 1} of {len(folds)}, judged by rows that it isn't trained on")
        own = divided(data, rows[fold_of != fold], rows[fold_of == fold])
        end = budget.share(len(folds) - fold + 1)
        found, trained = judge_network(config, own, run, f"fold-{fold + 1}", end, PATIENCE)
        if trained < PATIENCE:
            say("There is no time for networks: the classical members answer.")
            return judged
        for name, part in found.items():
            parts[name].append(part)
        if not fold and preset != "best":
            first = {name: joined(parts[name][0], others) for name, others in judged.items()}
            if not any(needs_network(x) for x in decide(config, data, first).values()):
                say("The classical members do as well without it, so no more networks are trained.")
                return judged
    return {name: joined(together(parts[name]), others) for name, others in judged.items()}


def judge_network(
    config: Config, data: Data, run: Run, name: str, end: float, least: float
) -> tuple[dict[str, Judged], float]:
    """Train on the train rows; returns by target the answers of the network's members to the valid
    rows, and the fraction of its steps that fit in time. end, least: see `train_network`."""
    with Run(run.folder / name, config, run.cache) as folder:
        trainer, quick = train_network(config, data, folder, score=False, end=end, least=least)
        trainer.average_weights()
    held, whole = quick.splits["valid"], tuple(config.modalities())
    outputs = collect(trainer.validator.runner(), held, quick.columns, [whole], graph="candidates")[
        whole
    ]
    judged = {
        name: Judged(
            network_names(target.modalities),
            outputs[f"{name}.answers"].swapaxes(0, 1),
            outputs[f"{name}.available"].T,
            held.rows,
        )
        for name, target in trainer.model.mixed()
    }
    return judged, trainer.step / (trainer.steps_per_epoch * config.train.epochs)


def together(parts: list[Judged]) -> Judged:
    """All folds, in the order of the rows."""
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows)
    answers = np.concatenate([part.answers for part in parts], 1)[:, order]
    available = np.concatenate([part.available for part in parts], 1)[:, order]
    return Judged(parts[0].names, answers, available, rows[order])


def divided(data: Data, train: np.ndarray, valid: np.ndarray) -> Data:
    old = data.splits["train"]
    splits = {
        "train": Split(old.stores, old.inputs, old.targets, train),
        "valid": Split(old.stores, old.inputs, old.targets, valid),
    }
    return data._replace(splits={**data.splits, **splits})


class Finished(NamedTuple):
    """A model with its members and their ensemble."""

    config: Config
    model: Model
    compared: Report  # see `measured`
    quick: Data | None = None  # a network's training data, see `trainer.train_network`


def cross_fit(config: Config, data: Data, run: Run, budget: Budget) -> Finished:
    """Compare members by folds, and train those that have a weight on train and valid rows."""
    rows = pooled(data)
    plain = classical_only(config)
    torch.manual_seed(config.train.seed)
    model = Model(plain, data.columns)
    quick = cache_frozen_features(plain, model, data, run.cache)
    run.use(quick)
    fold_of = classical.assign(config, data, rows)
    judged = classical.fit(plain, model, data, quick, rows, fold_of, budget.end)
    if config.network:
        judged = with_networks(network_only(config), data, run, rows, judged, budget)
    with stage("Choosing the mix of answers"):
        decided = decide(config, data, judged)
    compared = measured(config, data, model, decided)
    if any(needs_network(found) for found in decided.values()):
        say("Network on all rows")
        both = divided(data, rows, data.splits["valid"].rows)
        trainer, _ = train_network(network_only(config), both, run, score=False, end=budget.end)
        trainer.average_weights()
        trainer.model.join(model)
        model = trainer.model
    else:
        config = plain
    add_costs(compared, model, data)
    for name, target in model.mixed():
        set_weights(target, decided[name])
    model.finalize()
    return Finished(config, model, compared)


def network_only(config: Config) -> Config:
    return config.model_copy(update={"members": ["network"]})


def classical_only(config: Config) -> Config:
    return config.model_copy(update={"members": config.classical})
