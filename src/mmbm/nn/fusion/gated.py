"""Gated multimodal unit (Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion")."""

import torch
from torch import nn

from mmbm.layers.batch import Fused, Tokens
from mmbm.layers.blocks import Pool, join
from mmbm.specs.fusion import GatedSpec


class Gated(nn.Module):
    """Each output unit is a sum over modalities, weighted by a gate that reads all of them."""

    def __init__(self, spec: GatedSpec, modalities: list[str]):
        super().__init__()
        self.modalities = list(modalities)
        self.pools = nn.ModuleList(Pool(spec.width) for _ in modalities)
        self.values = nn.ModuleList(nn.Linear(spec.width, spec.width) for _ in modalities)
        self.gates = nn.Linear(len(modalities) * spec.width, len(modalities) * spec.width)
        self.norm = nn.LayerNorm(spec.width)
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, tokens: dict[str, Tokens]) -> Fused:
        parts = [tokens[name] for name in self.modalities]
        pooled = [pool(*part) for pool, part in zip(self.pools, parts)]  # M of [B, D]
        values = torch.stack([v(p).tanh() for v, p in zip(self.values, pooled)], 1)  # [B, M, D]
        gates = self.gates(torch.cat(pooled, -1)).sigmoid().view_as(values)
        return Fused(self.dropout(self.norm((gates * values).sum(1))), join(parts))  # [B, D]
