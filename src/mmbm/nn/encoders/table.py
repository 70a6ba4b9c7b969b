"""Table encoder: the columns of one group -> one token."""

import torch
from torch import Tensor, nn

from mmbm.layers.batch import Features, Tokens


class Table(nn.Module):
    """Each column's vector, or a learned one where its cell is absent, through a residual MLP."""

    width = 128

    def __init__(self, features: dict[str, int], dropout: float = 0.1):
        super().__init__()
        self.sizes = dict(features)
        self.absent = nn.Parameter(0.02 * torch.randn(sum(features.values())))
        self.enter = nn.Linear(sum(features.values()), self.width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(self.width),
                nn.Linear(self.width, 2 * self.width),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(2 * self.width, self.width),
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(self.width)

    def forward(self, columns: dict[str, Features], present: dict[str, Tensor]) -> Tokens:
        x = torch.cat([columns[name].x for name in self.sizes], -1)  # [B, sum of F]
        known = [present[name][:, None].expand(-1, size) for name, size in self.sizes.items()]
        return self.tokens(x, torch.cat(known, -1))

    def tokens(self, x: Tensor, known: Tensor) -> Tokens:
        """All columns' vectors concatenated, and which of their numbers are known [B, sum of F]."""
        x = self.enter(torch.where(known, x, self.absent))  # [B, D]
        for block in self.blocks:
            x = x + block(x)
        x = self.norm(x)[:, None]  # [B, 1, D]
        return Tokens(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))
