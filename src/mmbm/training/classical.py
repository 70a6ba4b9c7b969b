"""Fitting the classical members: representations, folds, then every member of each target."""

import math
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from mmbm.config import Config
from mmbm.console import stage
from mmbm.data.batches import Prepared
from mmbm.data.prepare import Data
from mmbm.data.split import groups_of, times
from mmbm.errors import TableError
from mmbm.layers.batch import Field, Tokens
from mmbm.nn.answer_ensemble import AnswerEnsemble
from mmbm.nn.members import Folds, Matrix, Problem
from mmbm.nn.model import Model
from mmbm.nn.representations import EMBEDDING, Representation, modality_of
from mmbm.training.ensemble_selection import Truth

BATCH = 64
FOLDS = 5


class Judged(NamedTuple):
    """Answers of members to rows that they were not trained on."""

    names: list[str]
    answers: np.ndarray  # [K, N, C], in the ensemble's units
    available: np.ndarray  # [K, N] bool
    rows: np.ndarray  # [N] of the table


def fit(
    config: Config,
    model: Model,
    data: Data,
    quick: Data,
    rows: np.ndarray,
    fold_of: np.ndarray,
    end: float = math.inf,
) -> dict[str, Judged]:
    """Fit representations and members on these rows of the table; returns by target the answers of
    members to rows of other folds. `quick` has the features of frozen encoders. end: see
    `Classical.fit`."""
    matrices, present = represent(config, model, data, quick, rows)
    return {
        name: fit_target(name, target, data, matrices, present, rows, fold_of, end)
        for name, target in model.mixed()
        if target.classical.names
    }


def fit_target(
    name: str,
    target: AnswerEnsemble,
    data: Data,
    matrices: dict[str, Matrix],
    present: dict[str, np.ndarray],
    rows: np.ndarray,
    fold_of: np.ndarray,
    end: float,
) -> Judged:
    has = labelled(data, name, target.task, rows)
    values = truth(data, name, target.task, rows[has]).values
    problem = Problem(target.task, values, target.fused.output.out_features)
    own = {name: x[has] for name, x in matrices.items()}
    known = {name: torch.from_numpy(x[has]) for name, x in present.items()}
    folds = split(fold_of[has])
    if len(folds) < 2:
        raise TableError(
            f"{data.table.source}: the {len(has)} train and valid rows with a value of {name!r} "
            "are too few, or all of one group, to compare members: set members: [network]."
        )
    names, answers = [], []
    for name, raw in target.classical.fit(own, problem, folds, end):
        names.append(name)
        answers.append(target.mixable(torch.from_numpy(raw)).numpy())
    available = target.classical.available(known).numpy()
    available = available[[name in names for name in target.classical.names]]
    return Judged(names, np.array(answers), available, rows[has])


def truth(data: Data, name: str, task: str, rows: np.ndarray) -> Truth:
    """A target's values in the ensemble's units, for rows that have one."""
    values = data.splits["train"].stores[name].gather(rows).values
    if task == "multiclass":
        return Truth(task, values.astype(np.int64) - 1)
    if task == "regression":
        state = data.columns[name].state
        return Truth(task, (values - state["mean"]) / state["std"])
    return Truth(task, values.astype(np.int64))


def split(fold_of: np.ndarray) -> Folds:
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in np.unique(fold_of)
    ]


def labelled(data: Data, name: str, task: str, rows: np.ndarray) -> np.ndarray:
    """Positions of the rows that have a target, of a class seen in training."""
    values, _, has = data.splits["train"].stores[name].gather(rows)
    return np.flatnonzero(has & (values > 0) if task == "multiclass" else has)


def assign(config: Config, data: Data, rows: np.ndarray, count: int = FOLDS) -> np.ndarray:
    """The fold of each row [N]: consecutive in time or whole groups if the config names such a
    column, stratified by class. Raises TableError: there is only one group."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rule = config.data.rule
    if rule and rule.time is not None:
        order = np.argsort(times(data.table, rule.time)[rows], kind="stable")
        return np.argsort(order) * count // len(rows)
    strata = np.zeros(len(rows), np.int64)
    for name, spec in config.targets.items():
        if spec.task == "multiclass":
            strata = data.splits["train"].stores[name].gather(rows).values.astype(np.int64)
            break
    groups = group_codes(config, data, rows)
    count = min(count, len(rows) if groups is None else len(np.unique(groups)))
    if count < 2:
        raise TableError(
            f"{data.table.source}: {config.data.group_column!r} has one value in all train and "
            "valid rows, so that they can't be divided into folds. Leave data.group out, or name "
            "another column."
        )
    strata = np.where(np.bincount(strata)[strata] < count, -1, strata)  # rare classes together
    fold_of = np.zeros(len(rows), np.int64)
    make = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = make(count, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some class has fewer rows than folds
        for fold, (_, held) in enumerate(folds.split(rows, strata, groups)):
            fold_of[held] = fold
    return fold_of


def group_codes(config: Config, data: Data, rows: np.ndarray) -> np.ndarray | None:
    """The group of each row by the config [N]; None if there are no groups."""
    name = config.data.group_column
    return None if name is None else groups_of(data.table, name)[rows]


# ── representations ──────────────────────────────────────────────────────────────────────────────


def represent(
    config: Config, model: Model, data: Data, quick: Data, rows: np.ndarray
) -> tuple[dict[str, Matrix], dict[str, np.ndarray]]:
    """Fit every representation on these rows: features [N, F] by representation, and by modality
    which rows have it [N]."""
    modalities = config.modalities()
    raw, fast = data.splits["train"].stores, quick.splits["train"].stores
    model.eval()
    present = {
        modality: np.any([raw[c].present[rows] for c in columns], axis=0)
        for modality, columns in modalities.items()
    }
    matrices: dict[str, Matrix] = {}
    for name, part in model.representations.items():
        modality = modality_of(name)
        embedded = name.endswith(f".{EMBEDDING}")
        stores = {c: (fast if embedded else raw)[c] for c in modalities[modality]}
        reader = model.inputs[modality] if embedded else None
        with stage(f"Representing {modality}"), torch.inference_mode():
            part.fit(batches(stores, rows, reader))
            parts = [compact(part, b, there) for b, there in batches(stores, rows, reader)]
        matrices[name] = sp.vstack(parts).tocsr() if part.sparse else np.concatenate(parts)
    return matrices, present


def batches(
    stores: dict[str, Prepared], rows: np.ndarray, reader
) -> Iterator[tuple[dict[str, Field] | dict[str, Tokens], Tensor]]:
    """Fields by column, or a frozen encoder's output for them, and which rows have any."""
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        fields = {
            name: Field(*(torch.from_numpy(a) for a in store.gather(some)))
            for name, store in stores.items()
        }
        there = torch.stack([field.present for field in fields.values()]).any(0)
        if reader is None:
            yield fields, there
        else:
            yield {name: reader.encode(field) for name, field in fields.items()}, there


def compact(part: Representation, batch, there: Tensor) -> Matrix:
    x = (part(batch) * there[:, None]).numpy()
    return sp.csr_matrix(x) if part.sparse else x
