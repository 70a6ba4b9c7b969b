"""Problems that members are fitted to, made at test time."""

import numpy as np
import scipy.sparse as sp
import torch

from mmbm.nn.members import Problem


def problem(task: str, x: np.ndarray, generator: np.random.Generator) -> Problem:
    """Which of three features is largest, the first one, or the signs of two, with noise."""
    noisy = x[:, :3] + generator.normal(0, 0.3, (len(x), 3))
    if task == "multiclass":
        return Problem(task, noisy.argmax(1), 3)
    if task == "regression":
        return Problem(task, noisy[:, 0], 1)
    return Problem(task, (noisy[:, :2] > 0).astype(np.int64), 2)


def made(task: str, rows: int = 240):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 5)).astype(np.float32)
    dense = np.concatenate([x, generator.normal(size=(rows, 40)).astype(np.float32)], 1)
    sparse = sp.csr_matrix(np.maximum(x @ generator.normal(size=(5, 60)), 1) - 1).astype(np.float32)
    features = {"table.features": x, "photo.features": dense, "remark.features": sparse}
    folds = np.arange(rows) % 4
    parts = [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(4)]
    return features, problem(task, x, generator), parts


def tensors(features, rows=slice(None)):
    dense = {n: x.toarray() if sp.issparse(x) else x for n, x in features.items()}
    return {n: torch.from_numpy(np.ascontiguousarray(x[rows])) for n, x in dense.items()}
