"""Late fusion: pool each modality and add; with a linear head, the sum of their contributions.

Interactions of modalities can't be learned, so it hardly overfits: the most robust with a few
thousand rows if each modality contributes independently.
"""

import torch
from torch import nn

from mmbm.layers.batch import Fused, Tokens
from mmbm.layers.blocks import Pool, join
from mmbm.specs.fusion import SumSpec


class Sum(nn.Module):
    def __init__(self, spec: SumSpec, modalities: list[str]):
        super().__init__()
        self.modalities = list(modalities)
        self.pools = nn.ModuleList(Pool(spec.width) for _ in modalities)
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, tokens: dict[str, Tokens]) -> Fused:
        parts = [tokens[name] for name in self.modalities]
        pooled = torch.stack([pool(*part) for pool, part in zip(self.pools, parts)])  # [M, B, D]
        return Fused(self.dropout(pooled.sum(0)), join(parts))  # [B, D]
