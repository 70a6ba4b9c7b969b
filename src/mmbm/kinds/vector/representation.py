"""A vector as features of linear models and trees."""

import torch
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.vector.frontend import Standardized
from mmbm.kinds.vector.spec import VectorSpec
from mmbm.layers.batch import Field


class VectorRepresentation(nn.Module):
    """float32 [B, N] -> standard scores, and whether the vector is absent [B, N + 1]."""

    def __init__(self, spec: VectorSpec, column: Column):
        super().__init__()
        self.standardized = Standardized(column)

    def forward(self, field: Field) -> Tensor:
        known = field.present[:, None]
        z = torch.where(known, self.standardized(field.values), 0.0)
        return torch.cat([z, (~known).float()], 1)
