"""Temporal convolutional network (Bai et al. 2018): dilated convolutions over tokens or frames."""

import torch
from torch import Tensor, nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Features, Layout, Tokens
from mmbm.specs.encoders import TCNSpec

PRESETS = {"tiny": (48, 4), "small": (96, 5), "base": (192, 7)}  # channels, blocks


class TCN(nn.Module):
    """Each block doubles the dilation of its convolutions, so that a few cover a long series.

    Two things differ from the paper: convolutions are not causal, since all steps are available,
    and blocks are normalized over each step's channels instead of weight by weight.
    """

    def __init__(self, spec: TCNSpec, layout: Layout, features: int):
        super().__init__()
        if layout not in ("tokens", "frames"):
            raise ConfigError(
                f"encoder tcn reads tokens or frames, not a {layout}; "
                "cnn and transformer read a picture."
            )
        width, layers = PRESETS[spec.size]
        self.width, layers = spec.width or width, spec.layers or layers
        self.enter = nn.Linear(features, self.width)
        self.blocks = nn.ModuleList(
            TemporalBlock(self.width, spec.kernel, 2**i, spec.dropout) for i in range(layers)
        )
        self.norm = nn.LayerNorm(self.width)

    def forward(self, features: Features) -> Tokens:
        x, keep = features  # [B, T, F], [B, T]
        assert keep is not None
        x = self.enter(x) * keep[..., None]
        for block in self.blocks:
            x = block(x, keep)
        return Tokens(self.norm(x) * keep[..., None], keep)


class TemporalBlock(nn.Module):
    """Two dilated convolutions with a shortcut; zeros beyond a row's end."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        pad = dilation * (kernel // 2)
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=pad, dilation=dilation) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:  # [B, T, D], [B, T]
        y = x
        for norm, conv in zip(self.norms, self.convs):
            y = torch.relu(norm(y)) * keep[..., None]
            y = self.drop(conv(y.transpose(1, 2)).transpose(1, 2))
        return (x + y) * keep[..., None]
