"""Number: standardised, plus a piecewise-linear code over quantile bins (Gorishniy et al. 2022)."""

import torch
from torch import Tensor, nn

from mmbm.columns import Column
from mmbm.config import NumberSpec
from mmbm.nn.batch import Features, Field
from mmbm.nn.layers import in_float32

FARTHEST = 100.0
"""Standard deviations; a value further out counts as this far, so that none overflows float32."""


class NumberFrontend(nn.Module):
    layout = "vector"
    features = 32
    mean: Tensor
    std: Tensor
    edges: Tensor

    def __init__(self, spec: NumberSpec, column: Column):
        super().__init__()
        for name in ("mean", "std", "edges"):  # std > 0; at least two edges, rising
            learned = torch.tensor(column.state[name], dtype=torch.float64)
            self.register_buffer(name, learned)
        self.mix = nn.Linear(len(self.edges), self.features)
        self.act = nn.GELU()

    @in_float32
    def forward(self, field: Field) -> Features:
        x = field.values[:, None]  # [B, 1] float64: a time stamp has more digits than float32
        z = ((x - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)
        low, high = self.edges[:-1], self.edges[1:]
        bins = ((x - low) / (high - low)).clamp(0, 1)  # [B, n]: full, partly full, empty
        return Features(self.act(self.mix(torch.cat([z, bins], -1).float())))  # [B, F]
