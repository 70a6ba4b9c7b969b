"""GRU or LSTM over text tokens or spectrogram frames."""

from torch import Tensor, nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Features, Layout, Tokens
from mmbm.layers.blocks import Recurrence
from mmbm.specs.encoders import RNNSpec

PRESETS = {"tiny": (48, 1), "small": (96, 1), "base": (256, 2)}  # units per direction, layers


class RNN(nn.Module):
    """Tokens keep their length; frames are first halved, repeatedly up to `stride`, since neighbors
    are nearly equal."""

    def __init__(self, spec: RNNSpec, layout: Layout, features: int):
        super().__init__()
        if layout not in ("tokens", "frames"):
            raise ConfigError(
                f"encoder rnn reads tokens or frames, not a {layout}; "
                "cnn and transformer read a picture."
            )
        hidden, layers = PRESETS[spec.size]
        hidden, layers = spec.width or hidden, spec.layers or layers
        self.width = hidden * (1 + spec.bidirectional)
        halvings = spec.stride.bit_length() - 1 if layout == "frames" else 0
        self.halve = Halve(features, self.width) if halvings else None
        self.further = nn.ModuleList(Halve(self.width, self.width) for _ in range(halvings - 1))
        sizes = [self.width if self.halve else features] + [self.width] * (layers - 1)
        self.layers = nn.ModuleList(
            Recurrence(spec.cell, size, hidden, spec.bidirectional) for size in sizes
        )
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, features: Features) -> Tokens:
        x, keep = features  # [B, T, F], [B, T]
        assert keep is not None
        if self.halve:
            x, keep = self.halve(x, keep)  # [B, T/2, D]
        for halve in self.further:
            x, keep = halve(x, keep)  # [B, T/stride, D]
        for layer in self.layers:
            x = layer(self.dropout(x), keep)  # [B, T, D]
        return Tokens(x, keep)


class Halve(nn.Module):
    """Strided convolution over time; a kept output is centred on a kept frame."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.conv = nn.Conv1d(features, width, 5, stride=2, padding=2)
        self.norm = nn.LayerNorm(width)
        self.act = nn.GELU()

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:  # [B, T, F], [B, T]
        x = self.conv((x * keep[..., None]).transpose(1, 2)).transpose(1, 2)  # [B, T/2, D]
        keep = keep[:, ::2]
        return self.act(self.norm(x)) * keep[..., None], keep
