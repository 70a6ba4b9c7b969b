"""Vector: standardized per dimension, then one linear layer."""

import torch
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.vector.spec import VectorSpec
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import in_float32

FARTHEST = 10.0
"""Standard deviations; numbers further out are clipped to this."""


class Standardized(nn.Module):
    """float32 [B, N] -> standard scores [B, N]."""

    mean: Tensor  # [N]
    std: Tensor  # [N], > 0

    def __init__(self, column: Column):
        super().__init__()
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(column.state[name], dtype=torch.float32))

    def forward(self, values: Tensor) -> Tensor:
        return ((values - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)


class VectorFrontend(nn.Module):
    layout = "vector"

    def __init__(self, spec: VectorSpec, column: Column):
        super().__init__()
        self.features = spec.width
        self.standardized = Standardized(column)
        self.mix = nn.Linear(column.state["length"], spec.width)

    @in_float32
    def forward(self, field: Field) -> Features:
        return Features(self.mix(self.standardized(field.values)))  # [B, F]
