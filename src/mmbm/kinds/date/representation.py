"""A date as features of linear models and trees."""

import torch
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.date.frontend import Calendar
from mmbm.kinds.date.spec import DateSpec
from mmbm.layers.batch import Field

GRID = 2.0**16
"""Sines are rounded to multiples of it: the last digits differ between machines, and a tree's
threshold must not depend on them."""


class DateRepresentation(nn.Module):
    """float32 [B, 7] -> [B, 17]: the cycles' sines and cosines and standardized time, for linear
    models; the elapsed part of each cycle, for trees; whether the date is absent."""

    def __init__(self, spec: DateSpec, column: Column):
        super().__init__()
        self.calendar = Calendar(spec, column)

    def forward(self, field: Field) -> Tensor:
        known = field.present[:, None]
        smooth = (self.calendar(field.values) * GRID).round() / GRID
        features = torch.cat([smooth, field.values[:, 2:]], 1)
        return torch.cat([torch.where(known, features, 0.0), (~known).float()], 1)
