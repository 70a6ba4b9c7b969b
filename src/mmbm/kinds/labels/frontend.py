"""Labels: the set of a row's labels -> the sum of their learned vectors."""

from torch import nn

from mmbm.kinds.column import Column
from mmbm.kinds.labels.spec import LabelsSpec
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import in_float32


class LabelsFrontend(nn.Module):
    layout = "vector"
    features = 32

    def __init__(self, spec: LabelsSpec, column: Column):
        super().__init__()
        self.mix = nn.Linear(column.storage.shape[0], self.features)

    @in_float32
    def forward(self, field: Field) -> Features:
        return Features(self.mix(field.values.float()))  # [B, n] of 0 and 1 -> [B, F]
