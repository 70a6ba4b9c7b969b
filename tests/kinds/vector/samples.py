import numpy as np
import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.vector.frontend import VectorFrontend
from mmbm.kinds.vector.spec import VectorSpec

COLUMNS = {"vector": Cells(VectorSpec(), [[0.5, 1, -2], "[1, 2, 3.5]", np.array([0.25, 1e-3, 7])])}
STATE = {"length": 5, "mean": [0.5] * 5, "std": [2.0] * 5}


def cells(lengths):
    return field(torch.randn(len(lengths), 5), [1] * len(lengths))


FRONTENDS = {"vector": Frontend(lambda: VectorFrontend(VectorSpec(), column(STATE)), cells)}
