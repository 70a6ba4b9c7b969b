"""Date: sine and cosine of each cycle, and standardized linear time."""

import math

import torch
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.date.column import CYCLES
from mmbm.kinds.date.spec import DateSpec
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import in_float32

FARTHEST = 10.0
"""Standard deviations; times further out are clipped to this."""


class Calendar(nn.Module):
    """float32 [B, 7] -> sines and cosines of the cycles and standardized time [B, 11]."""

    width = 2 * len(CYCLES) + 1

    def __init__(self, spec: DateSpec, column: Column):
        super().__init__()
        self.linear = spec.linear
        self.std = float(column.state["std"])
        self.day = math.floor(column.state["mean"])
        self.part = column.state["mean"] - self.day

    def forward(self, values: Tensor) -> Tensor:
        day, part, gone = values[:, :1], values[:, 1:2], values[:, 2:]
        z = ((day - self.day) + (part - self.part)) / self.std  # whole days first: all digits stay
        z = z.clamp(-FARTHEST, FARTHEST)
        if not self.linear:
            z = torch.zeros_like(z)
        angle = 2 * math.pi * gone  # [B, 5]
        return torch.cat([angle.sin(), angle.cos(), z], 1)


class DateFrontend(nn.Module):
    layout = "vector"
    features = 32

    def __init__(self, spec: DateSpec, column: Column):
        super().__init__()
        self.calendar = Calendar(spec, column)
        self.mix = nn.Linear(Calendar.width, self.features)
        self.act = nn.GELU()

    @in_float32
    def forward(self, field: Field) -> Features:
        return Features(self.act(self.mix(self.calendar(field.values))))  # [B, F]
