import torch
from torch import nn

from mmbm.layers.batch import Features, Fused, Tokens
from mmbm.layers.blocks import Pool, in_float32, join


class PointFrontend(nn.Module):
    """float64 [B, 2] -> standardized, and a learned vector of them [B, 16]."""

    layout = "vector"
    features = 16

    def __init__(self, spec, column):
        super().__init__()
        self.register_buffer("mean", torch.tensor(column.state["mean"], dtype=torch.float64))
        self.register_buffer("std", torch.tensor(column.state["std"], dtype=torch.float64))
        self.mix = nn.Linear(2, self.features)

    @in_float32
    def forward(self, field):
        return Features(self.mix(((field.values - self.mean) / self.std).float()))


class Average(nn.Module):
    """[B, T, F] -> one token [B, 1, F]."""

    def __init__(self, spec, layout, features):
        super().__init__()
        self.width = features

    def forward(self, features):
        x, keep = features
        mean = (x * keep[..., None]).sum(1) / keep.sum(1, keepdim=True).clamp(min=1)
        return Tokens(mean[:, None], torch.ones_like(keep[:, :1]))


class Largest(nn.Module):
    def __init__(self, spec, modalities):
        super().__init__()
        self.modalities = list(modalities)
        self.pools = nn.ModuleList(Pool(spec.width) for _ in modalities)

    def forward(self, tokens):
        parts = [tokens[name] for name in self.modalities]
        pooled = torch.stack([pool(*part) for pool, part in zip(self.pools, parts)])  # [M, B, D]
        return Fused(pooled.amax(0), join(parts))
