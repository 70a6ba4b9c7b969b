"""Residual convolutional network (He et al. 2016) over an image, or over spectrogram frames."""

import torch
from torch import Tensor, nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Features, Layout, Tokens
from mmbm.layers.blocks import MaskedBatchNorm
from mmbm.specs.encoders import CNNSpec

PRESETS = {"tiny": (16, 1, 3), "small": (32, 1, 3), "base": (64, 2, 4)}
"""Channels of the first stage, blocks per stage, stages; channels double at each stage."""


class CNN(nn.Module):
    """An image becomes one token per cell of the last map; frames become tokens along time.

    Frames: padding is set to zero after every layer, as it is beyond a clip's end.
    """

    def __init__(self, spec: CNNSpec, layout: Layout, features: int):
        super().__init__()
        if layout not in ("picture", "frames"):
            raise ConfigError(
                f"encoder cnn reads a picture or frames, not {layout}; "
                "rnn and transformer read text."
            )
        first, blocks, stages = PRESETS[spec.size]
        first, blocks = spec.width or first, spec.layers or blocks
        if layout == "picture":  # two small convolutions keep detail at full size (He et al. 2019)
            half = max(1, first // 2)
            self.steps = nn.ModuleList([Step(features, half), Step(half, first, stride=2)])
        else:
            self.steps = nn.ModuleList([Step(1, first, stride=2)])
        channels = [first * 2**stage for stage in range(stages)]
        for stage, (before, after) in enumerate(zip([first, *channels], channels)):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                self.steps.append(Residual(after if block else before, after, stride))
        self.width = channels[-1]
        if layout == "frames":
            bands = features
            for _ in range(stages):
                bands = (bands + 1) // 2
            self.flatten = nn.Linear(self.width * bands, self.width)
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, features: Features) -> Tokens:
        x, keep = features  # [B, C, H, W], None | [B, T, F], [B, T]
        if keep is not None:
            x = (x * keep[..., None])[:, None]  # [B, 1, T, F]
        for step in self.steps:
            x, keep = step(x, keep)  # [B, D, h, w]
        if keep is None:
            x = x.flatten(2).transpose(1, 2)  # [B, h*w, D]
            keep = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        else:
            x = self.flatten(x.transpose(1, 2).flatten(2)) * keep[..., None]  # [B, T', D]
        return Tokens(self.dropout(x), keep)


class Step(nn.Module):
    """Convolution and normalization; a kept output is centred on a kept input."""

    def __init__(self, before: int, after: int, kernel: int = 3, stride: int = 1, act: bool = True):
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = MaskedBatchNorm(after)
        self.act = nn.ReLU() if act else nn.Identity()

    def forward(self, x: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor | None]:
        keep = keep if keep is None else keep[:, :: self.stride]
        return self.act(self.norm(self.conv(x), keep)), keep


class Residual(nn.Module):
    """Basic block; it starts as the identity, since the last gain is zero (Goyal et al. 2017)."""

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.first = Step(before, after, stride=stride)
        self.second = Step(after, after, act=False)
        nn.init.zeros_(self.second.norm.weight)
        same = before == after and stride == 1
        self.shortcut = None if same else Step(before, after, kernel=1, stride=stride, act=False)

    def forward(self, x: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor | None]:
        short = x if self.shortcut is None else self.shortcut(x, keep)[0]
        x, keep = self.first(x, keep)
        x, keep = self.second(x, keep)
        return torch.relu(x + short), keep
