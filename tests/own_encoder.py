"""A user's own encoder, as docs/custom-encoders.md describes it."""

import torch
from torch import nn

from mmbm.layers.batch import Features, Layout, Tokens


class Average(nn.Module):
    """A picture as one token: its mean colour."""

    def __init__(self, layout: Layout, features: int, width: int = 8):
        super().__init__()
        self.width = width
        self.dense = nn.Linear(features, width)

    def forward(self, features: Features) -> Tokens:
        x = self.dense(features.x.mean((2, 3)))[:, None]  # [B, 1, width]
        return Tokens(x, torch.ones_like(x[..., 0], dtype=torch.bool))
