"""Attention bottlenecks: modalities exchange only through a few tokens (Nagrani et al. 2021,
"Attention Bottlenecks for Multimodal Fusion")."""

import torch
from torch import nn

from mmbm.layers.batch import Fused, Tokens
from mmbm.layers.blocks import Block, check_heads, join
from mmbm.nn.fusion.transformer import mark, start
from mmbm.specs.fusion import BottleneckSpec


class Bottleneck(nn.Module):
    """Each modality attends to itself and its copy of the bottleneck; the copies are averaged."""

    def __init__(self, spec: BottleneckSpec, modalities: list[str]):
        super().__init__()
        check_heads("fusion bottleneck", spec.width, spec.heads)
        self.modalities = list(modalities)
        self.kinds = nn.Parameter(0.02 * torch.randn(len(modalities), spec.width))
        self.summaries = nn.Parameter(0.02 * torch.randn(len(modalities), 1, spec.width))
        self.bottleneck = nn.Parameter(0.02 * torch.randn(spec.tokens, spec.width))
        self.layers = nn.ModuleList(
            nn.ModuleList(Block(spec.width, spec.heads, spec.dropout) for _ in modalities)
            for _ in range(spec.layers)
        )
        self.norm = nn.LayerNorm(spec.width)

    def forward(self, tokens: dict[str, Tokens]) -> Fused:
        parts = [
            start(mark(tokens[name], kind), summary)  # [B, 1+T, D]
            for name, kind, summary in zip(self.modalities, self.kinds, self.summaries)
        ]
        shared = self.bottleneck.expand(parts[0].x.shape[0], -1, -1).to(
            parts[0].x.dtype
        )  # [B, n, D]
        for blocks in self.layers:
            mixed = [exchange(block, part, shared) for block, part in zip(blocks.children(), parts)]
            parts = [part for part, _ in mixed]
            shared = torch.stack([b for _, b in mixed]).mean(0)
        parts = [Tokens(self.norm(x) * keep[..., None], keep) for x, keep in parts]
        pooled = torch.stack([part.x[:, 0] for part in parts]).mean(0)  # [B, D]
        return Fused(pooled, join([Tokens(x[:, 1:], keep[:, 1:]) for x, keep in parts]))


def exchange(block: nn.Module, part: Tokens, shared: torch.Tensor) -> tuple[Tokens, torch.Tensor]:
    """One modality [B, T, D] and the bottleneck [B, n, D] through one block."""
    n = shared.shape[1]
    known = torch.ones_like(part.keep[:, :1]).expand(-1, n)
    x = block(torch.cat([shared, part.x], 1), torch.cat([known, part.keep], 1))
    return Tokens(x[:, n:], part.keep), x[:, :n]
