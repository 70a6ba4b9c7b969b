import numpy as np
import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.series.frontend import SeriesFrontend
from mmbm.kinds.series.spec import SeriesSpec

COLUMNS = {
    "series": Cells(
        SeriesSpec(), ["time,a,b\n0,1,2\n1,,3", {"a": [1.0], "b": [None], "time": [5]}]
    ),
    "series of one channel": Cells(SeriesSpec(steps=2), [[1, 2.5, None], np.arange(4.0), "[1,2]"]),
}
STATE = {
    "channels": ["a", "b", "c"], "mean": [1.0, 0.0, -5.0], "std": [2.0, 1.0, 3.0],
    "gap": 1.5, "duration": 20.0,
}  # fmt: skip


def cells(lengths):
    rows, size = len(lengths), max(lengths)
    real = torch.arange(size) < torch.tensor(lengths)[:, None]
    steps = torch.cat([torch.rand(rows, size, 1).cumsum(1), torch.randn(rows, size, 3),
                       (torch.rand(rows, size, 3) < 0.4).float()], 2)  # fmt: skip
    return field(steps * real[..., None], lengths)


FRONTENDS = {
    "series": Frontend(lambda: SeriesFrontend(SeriesSpec(), column(STATE)), cells, ragged=True)
}
