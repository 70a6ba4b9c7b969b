"""What `mmbm init` makes of one column as people write it, as an input and as a target."""

import random

from mmbm.data.table import open_table
from mmbm.init import ColumnGuess, infer

R = random.Random(3)
ROWS = 120
TAGS = ["comedy", "drama", "war", "love"]


def column(make) -> list:
    return [make(i) for i in range(ROWS)]


NOISE = column(lambda i: R.gauss(0, 1))
LABEL = column(lambda i: R.choice("ny"))


def as_input(cells: list, name: str = "x") -> ColumnGuess:
    inferred = infer(open_table({name: cells, "noise": NOISE, "label": LABEL}), ["label"])
    return inferred.inputs.get(name) or inferred.left_out[name]


def as_target(cells: list) -> ColumnGuess:
    return infer(open_table({"noise": NOISE, "x": cells}), ["x"]).targets["x"]
