"""Self-attention over the tokens of all modalities, read at one learned token (ViLT, Kim 2021).

A token carries an embedding of its modality and, by sines and cosines, of its position in it: the
positions of an image have no other order.
"""

import torch
from torch import nn

from mmbm.layers.batch import Fused, Tokens
from mmbm.layers.blocks import Block, Sinusoids, check_heads, join
from mmbm.specs.fusion import TransformerFusionSpec


class TransformerFusion(nn.Module):
    def __init__(self, spec: TransformerFusionSpec, modalities: list[str]):
        super().__init__()
        check_heads("fusion transformer", spec.width, spec.heads)
        self.modalities = list(modalities)
        self.kinds = nn.Parameter(0.02 * torch.randn(len(modalities), spec.width))
        self.places = Sinusoids(spec.width)
        self.summary = nn.Parameter(0.02 * torch.randn(1, spec.width))
        self.blocks = nn.ModuleList(
            Block(spec.width, spec.heads, spec.dropout) for _ in range(spec.layers)
        )
        self.norm = nn.LayerNorm(spec.width)

    def forward(self, tokens: dict[str, Tokens]) -> Fused:
        parts = [(tokens[name], kind) for name, kind in zip(self.modalities, self.kinds)]
        typed = [mark(part, kind + self.places(part.x.shape[1])) for part, kind in parts]
        x, keep = join([start(typed[0], self.summary), *typed[1:]])  # [B, 1+T, D]
        for block in self.blocks:
            x = block(x, keep)
        x = self.norm(x) * keep[..., None]
        return Fused(x[:, 0], Tokens(x[:, 1:], keep[:, 1:]))


def mark(tokens: Tokens, kind: torch.Tensor) -> Tokens:
    """Add to tokens an embedding of their modality, kind [D], and of their position [T, D]."""
    return Tokens(tokens.x + kind, tokens.keep)


def start(tokens: Tokens, extra: torch.Tensor) -> Tokens:
    """Put learned tokens [n, D] before those of every row."""
    x = torch.cat([extra.expand(tokens.x.shape[0], -1, -1).to(tokens.x.dtype), tokens.x], 1)
    known = torch.ones_like(tokens.keep[:, :1]).expand(-1, len(extra))
    return Tokens(x, torch.cat([known, tokens.keep], 1))  # [B, n+T, D]
