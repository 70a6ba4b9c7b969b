"""Low-rank product of all modalities (Liu et al. 2018, "Efficient Low-rank Multimodal Fusion with
Modality-Specific Factors")."""

import functools

import torch
from torch import nn

from mmbm.layers.batch import Fused, Tokens
from mmbm.layers.blocks import Pool, join
from mmbm.specs.fusion import LowRankSpec


class LowRank(nn.Module):
    """Sum over rank of the product over modalities of 1 + factor.

    The paper appends a 1 to every modality, so that the product holds each of them alone as well as
    their interactions. Here that 1 is kept separate and the rest is normalized to variance 1/M: the
    product of M modalities then has variance (1 + 1/M)^M - 1 < e - 1, however many there are.
    """

    def __init__(self, spec: LowRankSpec, modalities: list[str]):
        super().__init__()
        self.modalities = list(modalities)
        self.rank, self.width = spec.rank, spec.width
        self.pools = nn.ModuleList(Pool(spec.width) for _ in modalities)
        self.factors = nn.ModuleList(
            nn.Linear(spec.width, spec.rank * spec.width) for _ in modalities
        )
        self.norms = nn.ModuleList(
            scaled_norm(spec.width, len(modalities) ** -0.5) for _ in modalities
        )
        self.ranks = nn.Parameter(torch.randn(spec.rank) / spec.rank**0.5)
        self.norm = nn.LayerNorm(spec.width)
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, tokens: dict[str, Tokens]) -> Fused:
        parts = [tokens[name] for name in self.modalities]
        factors = [
            1 + norm(factor(pool(*part)).unflatten(-1, (self.rank, self.width)))  # [B, R, D]
            for part, pool, factor, norm in zip(parts, self.pools, self.factors, self.norms)
        ]
        product = functools.reduce(torch.mul, factors)  # [B, R, D]
        x = (product * self.ranks[:, None]).sum(1)  # [B, D]
        return Fused(self.dropout(self.norm(x)), join(parts))


def scaled_norm(width: int, scale: float) -> nn.LayerNorm:
    """A LayerNorm whose gain starts at `scale`."""
    norm = nn.LayerNorm(width)
    nn.init.constant_(norm.weight, scale)
    return norm
