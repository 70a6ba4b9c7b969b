import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.labels.frontend import LabelsFrontend
from mmbm.kinds.labels.spec import LabelsSpec, LabelsTarget

COLUMNS = {
    "labels": Cells(LabelsSpec(), ["a;b", ["c"], "b", ""]),
    "labels target": Cells(LabelsTarget(separator=","), ["a,b", "c"]),
}


def cells(lengths):
    rows = len(lengths)
    return field(torch.randint(0, 2, (rows, 4), dtype=torch.uint8), [1] * rows)


FRONTENDS = {"labels": Frontend(lambda: LabelsFrontend(LabelsSpec(), column(shape=(4,))), cells)}
