"""Pre-norm transformer over image patches, text tokens or spectrogram frames."""

import torch
import torch.nn.functional as F
from torch import nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Features, Layout, Tokens
from mmbm.layers.blocks import Block, Sinusoids, check_heads
from mmbm.specs.encoders import TransformerSpec

PRESETS = {"tiny": (64, 2, 2), "small": (128, 4, 4), "base": (256, 6, 8)}  # width, layers, heads


class Transformer(nn.Module):
    """Positions are sinusoids computed in the graph: any image size, any length."""

    def __init__(self, spec: TransformerSpec, layout: Layout, features: int):
        super().__init__()
        width, layers, heads = PRESETS[spec.size]
        self.width = width = spec.width or width
        heads = spec.heads or heads
        check_heads("encoder transformer", width, heads)
        if layout == "picture":
            self.read = Patches(features, width, spec.patch)
        elif layout == "frames":
            self.read = Stretches(features, width, spec.patch)
        elif layout == "tokens":
            self.read = Sequence(features, width)
        else:
            raise ConfigError(
                f"encoder transformer reads a picture, frames or tokens, not a {layout}."
            )
        self.drop = nn.Dropout(spec.dropout)
        self.blocks = nn.ModuleList(Block(width, heads, spec.dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Features) -> Tokens:
        x, keep = self.read(features)  # [B, T, D], [B, T]
        x = self.drop(x)
        for block in self.blocks:
            x = block(x, keep)
        return Tokens(self.norm(x) * keep[..., None], keep)


class Patches(nn.Module):
    """Image -> one token per patch; sides are zero-padded to a multiple of the patch."""

    def __init__(self, features: int, width: int, patch: int):
        super().__init__()
        self.patch = patch
        self.conv = nn.Conv2d(features, width, patch, stride=patch)
        self.down, self.across = Sinusoids(width // 2), Sinusoids(width - width // 2)

    def forward(self, features: Features) -> Tokens:
        x = features.x  # [B, C, H, W]
        x = self.conv(F.pad(x, (0, self.patch - 1, 0, self.patch - 1)))  # [B, D, h, w]
        h, w = x.shape[2:]
        down = self.down(h)[:, None].expand(h, w, -1)
        across = self.across(w)[None].expand(h, w, -1)
        place = torch.cat([down, across], -1).flatten(0, 1)  # [h*w, D]
        x = x.flatten(2).transpose(1, 2) + place  # [B, h*w, D]
        return Tokens(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))


class Stretches(nn.Module):
    """Frames -> one token per patch of frames; it is kept if its first frame is."""

    def __init__(self, features: int, width: int, patch: int):
        super().__init__()
        self.patch = patch
        self.conv = nn.Conv1d(features, width, patch, stride=patch)
        self.place = Sinusoids(width)

    def forward(self, features: Features) -> Tokens:
        x, keep = features  # [B, T, F], [B, T]
        assert keep is not None
        x = F.pad((x * keep[..., None]).transpose(1, 2), (0, self.patch - 1))
        x = self.conv(x).transpose(1, 2)  # [B, T/patch, D]
        return Tokens(x + self.place(x.shape[1]), keep[:, :: self.patch])


class Sequence(nn.Module):
    """Tokens unchanged, projected to the encoder's width."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.project = nn.Linear(features, width)
        self.place = Sinusoids(width)

    def forward(self, features: Features) -> Tokens:
        x, keep = features
        assert keep is not None
        return Tokens(self.project(x) + self.place(x.shape[1]), keep)
