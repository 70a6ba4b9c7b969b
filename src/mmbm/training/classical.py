"""Fitting the classical members: representations, folds, then every member of each target."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from mmbm.config import Config, SplitSpec
from mmbm.nn.batch import Field, Tokens
from mmbm.nn.members import Folds, Matrix, Problem
from mmbm.nn.mix import Mixed
from mmbm.nn.model import Model
from mmbm.nn.representations import EMBEDDING, Representation, modality_of
from mmbm.prepare import Data
from mmbm.prepare.batches import Prepared
from mmbm.progress import stage
from mmbm.training.selection import Truth

BATCH = 64
FOLDS = 5


class Judged(NamedTuple):
    """What members answered for rows that they were not trained on."""

    names: list[str]
    answers: np.ndarray  # [K, N, C], as they are mixed
    available: np.ndarray  # [K, N] bool
    rows: np.ndarray  # [N] of the table


def fit(
    config: Config, model: Model, data: Data, quick: Data, rows: np.ndarray, fold_of: np.ndarray
) -> dict[str, Judged]:
    """Fit representations and members on these rows of the table; by target the answers that
    members give for rows of other folds. `quick` has the features of frozen encoders."""
    matrices, present = represent(config, model, data, quick, rows)
    return {
        name: fit_target(name, target, data, matrices, present, rows, fold_of)
        for name, target in model.mixed()
        if target.classical.names
    }


def fit_target(
    name: str,
    target: Mixed,
    data: Data,
    matrices: dict[str, Matrix],
    present: dict[str, np.ndarray],
    rows: np.ndarray,
    fold_of: np.ndarray,
) -> Judged:
    has = labelled(data, name, target.kind, rows)
    values = truth(data, name, target.kind, rows[has]).values
    problem = Problem(target.kind, values, target.fused.output.out_features)
    own = {name: x[has] for name, x in matrices.items()}
    known = {name: torch.from_numpy(x[has]) for name, x in present.items()}
    folds = split(fold_of[has])
    names, answers = [], []
    for name, raw in target.classical.fit(own, problem, folds):
        names.append(name)
        answers.append(target.mixable(torch.from_numpy(raw)).numpy())
    available = target.classical.available(known).numpy()
    return Judged(names, np.array(answers), available, rows[has])


def truth(data: Data, name: str, kind: str, rows: np.ndarray) -> Truth:
    """A target's values as they are mixed, for rows that have one."""
    values = data.splits["train"].stores[name].gather(rows).values
    if kind == "category":
        return Truth(kind, values.astype(np.int64) - 1)
    if kind == "number":
        state = data.columns[name].state
        return Truth(kind, (values - state["mean"]) / state["std"])
    return Truth(kind, values.astype(np.int64))


def split(fold_of: np.ndarray) -> Folds:
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in np.unique(fold_of)
    ]


def labelled(data: Data, name: str, kind: str, rows: np.ndarray) -> np.ndarray:
    """Positions of the rows that have a target, of a class that training knows."""
    values, _, has = data.splits["train"].stores[name].gather(rows)
    return np.flatnonzero(has & (values > 0) if kind == "category" else has)


def assign(config: Config, data: Data, rows: np.ndarray, count: int = FOLDS) -> np.ndarray:
    """The fold of each row [N]: whole groups where the config names them, classes in proportion."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    strata = np.zeros(len(rows), np.int64)
    for name, spec in config.targets.items():
        if spec.kind == "category":
            strata = data.splits["train"].stores[name].gather(rows).values.astype(np.int64)
            break
    groups = group_codes(config, data, rows)
    count = min(count, len(rows) if groups is None else len(np.unique(groups)))
    few = np.bincount(strata)[strata] < count  # a class with fewer rows than folds
    strata = np.where(few, -1, strata)
    if (few.sum() < count) and few.any():
        strata = np.where(few, strata[~few][0] if (~few).any() else 0, strata)
    fold_of = np.zeros(len(rows), np.int64)
    if groups is None:
        parts = StratifiedKFold(count, shuffle=True, random_state=0).split(rows, strata)
    else:
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=0)
        parts = splitter.split(rows, strata, groups)
    for fold, (_, held) in enumerate(parts):
        fold_of[held] = fold
    return fold_of


def group_codes(config: Config, data: Data, rows: np.ndarray) -> np.ndarray | None:
    """Which group of the config each row belongs to [N]; None if there are no groups."""
    split = config.data.split
    name = split.group if isinstance(split, SplitSpec) else config.data.group
    if name is None:
        return None
    codes: dict[str, int] = {}
    cells = (str(cell) for cell in data.table.cells(name, rows))
    return np.array([codes.setdefault(cell, len(codes)) for cell in cells])


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
    """Fields by column, or what a frozen encoder gives for them, and which rows have any."""
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
