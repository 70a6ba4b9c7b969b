"""What `mmbm init` makes of one column, beside an input and a label that are always there."""

import random
from pathlib import Path

import numpy as np

from mmbm.data.table import open_table
from mmbm.init import Inferred, infer, to_yaml

ROWS = 300
RANDOM = random.Random(0)

SMALL = {"encoder": {"kind": "cnn", "size": "tiny"}}
"""What few rows are read by."""
SHIFTED = {"augment": {"crop": 0.08}}


def column(make, rows: int = ROWS) -> list:
    return [make(i) for i in range(rows)]


LABEL = column(lambda i: RANDOM.choice(["cat", "dog", "owl"]))
NOISE = column(lambda i: round(RANDOM.gauss(0, 1), 4))


def infer_one(cells: list, target: list = LABEL, name: str = "x") -> Inferred:
    """One column beside an input that is always there."""
    return infer(open_table({name: cells, "noise": NOISE, "label": target}), ["label"])


def drawn(values, rows: int = ROWS, even: bool = False) -> list[int]:
    """Whole numbers with repeats, some of them far more frequent than others."""
    rng = np.random.default_rng(1)
    values = np.asarray(values)
    shares = None if even else rng.dirichlet(np.full(len(values), 0.7))
    return [int(value) for value in rng.choice(values, rows, p=shares)]


def shares(first: int, *parts: int) -> list[int]:
    """Whole numbers from `first` on, so many of each, mixed."""
    cells = [first + i for i, part in enumerate(parts) for _ in range(part)]
    return random.Random(0).sample(cells, len(cells))


def to_text(inferred: Inferred) -> str:
    """The config's text; its table isn't a file, so the path in it means nothing."""
    return to_yaml(inferred, Path("config.yaml"))
