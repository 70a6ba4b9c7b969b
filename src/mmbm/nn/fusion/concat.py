"""Pool each modality, concatenate, two dense layers: the textbook fusion, a strong baseline."""

import torch
from torch import nn

from mmbm.layers.batch import Fused, Tokens
from mmbm.layers.blocks import Pool, join
from mmbm.specs.fusion import ConcatSpec


class Concat(nn.Module):
    def __init__(self, spec: ConcatSpec, modalities: list[str]):
        super().__init__()
        self.modalities = list(modalities)
        self.pools = nn.ModuleList(Pool(spec.width) for _ in modalities)
        self.dense = nn.Sequential()
        for size in (len(modalities) * spec.width, spec.width):
            self.dense.extend(
                [
                    nn.Linear(size, spec.width),
                    nn.LayerNorm(spec.width),
                    nn.GELU(),
                    nn.Dropout(spec.dropout),
                ]
            )

    def forward(self, tokens: dict[str, Tokens]) -> Fused:
        parts = [tokens[name] for name in self.modalities]
        pooled = torch.cat([pool(*part) for pool, part in zip(self.pools, parts)], -1)  # [B, M*D]
        return Fused(self.dense(pooled), join(parts))  # [B, D]
