import torch
from battery import column, field
from mmbm_point.modules import PointFrontend
from mmbm_point.spec import AverageSpec, PointSpec
from samples import Cells, Frontend

COLUMNS = {"point": Cells(PointSpec(), ["1, 2", "-3.5,0", "+1,+1"])}
ENCODERS = {"average-tokens": AverageSpec()}
STATE = {"mean": [50.0, 50.0], "std": [25.0, 25.0]}


def cells(lengths):
    rows = len(lengths)
    return field(torch.rand(rows, 2, dtype=torch.float64) * 100, [1] * rows)


FRONTENDS = {"point": Frontend(lambda: PointFrontend(PointSpec(), column(STATE)), cells)}
