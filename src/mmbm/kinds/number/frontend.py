"""Number: standardized, plus a piecewise-linear code over quantile bins (Gorishniy et al. 2022)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.number.spec import NumberSpec
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import in_float32

FARTHEST = 100.0
"""Standard deviations; values further out are clipped to this, so that none overflows float32."""


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


class Numbers(nn.Module):
    """Many number columns as one tensor, for a graph whose size doesn't grow with them: it computes
    the same as their own frontends, from copies of their weights. Not for training."""

    mean: Tensor  # [N]
    std: Tensor  # [N]
    low: Tensor  # [N, n] lower edges of bins; a column with fewer has some without a weight
    width: Tensor  # [N, n] of the bins
    weight: Tensor  # [N, 1 + n, F]
    bias: Tensor  # [N, F]

    def __init__(self, columns: Sequence[NumberFrontend]):
        super().__init__()
        most = max(len(column.edges) for column in columns) - 1
        low = torch.zeros(len(columns), most, dtype=torch.float64)
        width = torch.ones(len(columns), most, dtype=torch.float64)
        weight = torch.zeros(len(columns), 1 + most, NumberFrontend.features)
        for i, column in enumerate(columns):
            bins = len(column.edges) - 1
            low[i, :bins] = column.edges[:-1]
            width[i, :bins] = column.edges[1:] - column.edges[:-1]
            weight[i, : 1 + bins] = column.mix.weight.detach().T
        self.register_buffer("mean", torch.stack([column.mean for column in columns]))
        self.register_buffer("std", torch.stack([column.std for column in columns]))
        self.register_buffer("low", low)
        self.register_buffer("width", width)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", torch.stack([column.mix.bias.detach() for column in columns]))
        self.act = nn.GELU()

    @in_float32
    def forward(self, field: Field) -> Features:
        values = field.values  # [B, N] float64
        z = ((values - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)
        bins = ((values[..., None] - self.low) / self.width).clamp(0, 1)  # [B, N, n]
        x = torch.cat([z[..., None], bins], -1).float()  # [B, N, 1 + n]
        mixed = (x.transpose(0, 1) @ self.weight).transpose(0, 1) + self.bias  # [B, N, F]
        return Features(self.act(mixed).flatten(1))  # [B, N F]
