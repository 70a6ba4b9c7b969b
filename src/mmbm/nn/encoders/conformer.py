"""Conformer (Gulati et al. 2020): attention for long range, convolution for short range."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Features, Layout, Tokens
from mmbm.layers.blocks import check_heads
from mmbm.nn.encoders.rnn import Halve
from mmbm.specs.encoders import ConformerSpec

PRESETS = {"tiny": (64, 2, 2), "small": (144, 4, 4), "base": (256, 8, 4)}  # width, layers, heads


class Conformer(nn.Module):
    """Frames are halved first, as often as `stride` says; tokens of a text keep their length.

    Two things differ from the paper. Positions are rotary (Su et al. 2021), relative as the paper's
    and without tables of them. And the convolution is normalized over each token's channels (Ba et
    al. 2016) instead of over the batch, whose padding and neighbours would change an answer.
    """

    def __init__(self, spec: ConformerSpec, layout: Layout, features: int):
        super().__init__()
        if layout not in ("tokens", "frames"):
            raise ConfigError(
                f"encoder conformer reads tokens or frames, not a {layout}; "
                "cnn and transformer read a picture."
            )
        width, layers, heads = PRESETS[spec.size]
        self.width = width = spec.width or width
        layers, heads = spec.layers or layers, spec.heads or heads
        check_heads("encoder conformer", width, heads)
        if width // heads % 2:
            raise ConfigError(
                f"encoder conformer: each of {heads} heads has {width // heads} of width {width}; "
                "rotary positions need an even number."
            )
        halvings = spec.stride.bit_length() - 1 if layout == "frames" else 0
        sizes = [features, *[width] * halvings]
        self.halves = nn.ModuleList(Halve(size, width) for size in sizes[:halvings])
        self.project = nn.Linear(sizes[-1], width)
        self.drop = nn.Dropout(spec.dropout)
        self.place = Rotary(width // heads)
        self.blocks = nn.ModuleList(
            ConformerBlock(width, heads, spec.kernel, spec.dropout) for _ in range(layers)
        )

    def forward(self, features: Features) -> Tokens:
        x, keep = features  # [B, T, F], [B, T]
        assert keep is not None
        for halve in self.halves:
            x, keep = halve(x, keep)  # [B, T/stride, D]
        x = self.drop(self.project(x))
        turns = self.place(x.shape[1])  # [2, T, D/h]
        for block in self.blocks:
            x = block(x, keep, turns)
        return Tokens(x * keep[..., None], keep)


class ConformerBlock(nn.Module):
    """Half a feed-forward step, attention, convolution, the other half."""

    def __init__(self, width: int, heads: int, kernel: int, dropout: float):
        super().__init__()
        self.before, self.after = FeedForward(width, dropout), FeedForward(width, dropout)
        self.attention = RotaryAttention(width, heads, dropout)
        self.convolution = Convolution(width, kernel, dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, keep: Tensor, turns: Tensor) -> Tensor:  # [B, T, D], [B, T]
        x = x + 0.5 * self.before(x)
        x = x + self.attention(x, keep, turns)
        x = x + self.convolution(x, keep)
        return self.norm(x + 0.5 * self.after(x))


class FeedForward(nn.Sequential):
    def __init__(self, width: int, dropout: float):
        super().__init__(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(4 * width, width), nn.Dropout(dropout),
        )  # fmt: skip


class RotaryAttention(nn.Module):
    """Self-attention whose scores depend on the distance of two tokens."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor, turns: Tensor) -> Tensor:
        qkv = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1))  # [B, T, 3, h, D/h]
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each [B, h, T, D/h]
        q, k = turned(q, turns), turned(k, turns)
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, keep[:, None, None, :], dropout)
        return self.drop(self.out(x.transpose(1, 2).flatten(2)))


class Convolution(nn.Module):
    """Gated convolution per channel over a few tokens; padding counts as silence."""

    def __init__(self, width: int, kernel: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(width, 2 * width)
        self.depth = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm_depth = nn.LayerNorm(width)
        self.leave = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:  # [B, T, D], [B, T]
        x = F.glu(self.enter(self.norm(x)), -1) * keep[..., None]
        x = self.depth(x.transpose(1, 2)).transpose(1, 2)
        return self.drop(self.leave(F.silu(self.norm_depth(x))))


class Rotary(nn.Module):
    """Rotary positions: cosines and sines that rotate pairs of channels by the position."""

    rates: Tensor

    def __init__(self, width: int):
        super().__init__()
        pairs = torch.arange(width // 2, dtype=torch.float64)
        rates = (10_000.0 ** (-2 * pairs / width)).float().repeat(2)
        self.register_buffer("rates", rates, persistent=False)  # a constant, so runners agree on it

    def forward(self, length: int) -> Tensor:  # [2, length, width]
        angles = torch.arange(length, device=self.rates.device).float()[:, None] * self.rates
        return torch.stack([angles.cos(), angles.sin()])


def turned(x: Tensor, turns: Tensor) -> Tensor:  # [B, h, T, D], [2, T, D]
    first, second = x.chunk(2, -1)
    return x * turns[0] + torch.cat([-second, first], -1) * turns[1]
