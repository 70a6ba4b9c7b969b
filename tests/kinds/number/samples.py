import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.number.frontend import NumberFrontend
from mmbm.kinds.number.spec import NumberSpec, NumberTarget

COLUMNS = {
    "number": Cells(NumberSpec(), [1, 2.5, "3", "-4e2", True]),
    "number, log": Cells(NumberSpec(log=True), [0, 10, 1e6]),
    "number target": Cells(NumberTarget(), [0.5, "1"]),
}
STATE = {"mean": 50.0, "std": 25.0, "edges": [0.0, 25.0, 50.0, 75.0, 100.0]}


def cells(lengths):
    rows = len(lengths)
    return field(torch.rand(rows, dtype=torch.float64) * 100, [1] * rows)


FRONTENDS = {"number": Frontend(lambda: NumberFrontend(NumberSpec(), column(STATE)), cells)}
