"""Image features without training: downsampled colors, a color histogram, oriented gradients."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmbm.kinds.column import Column
from mmbm.kinds.image.spec import ImageSpec
from mmbm.layers.batch import Field
from mmbm.layers.representation import Representation

CELLS = 8
"""Cells per side of the grid that colors and gradients are averaged over."""
LEVELS = 4
"""Levels per channel of the joint color histogram."""
DIRECTIONS = 8
"""Directions of a gradient (HOG, Dalal & Triggs 2005)."""


class ImageRepresentation(Representation):
    """Fields of one image column -> [B, C·64 + 4^C + 8·64]."""

    down: Tensor
    across: Tensor

    def __init__(self, column: str, spec: ImageSpec, fitted: Column):
        super().__init__()
        self.column = column
        self.register_buffer("down", averages(spec.height, CELLS), persistent=False)
        self.register_buffer("across", averages(spec.width, CELLS), persistent=False)

    def raw(self, batch: dict[str, Field]) -> Tensor:
        x = batch[self.column].values.float().permute(0, 3, 1, 2) / 255  # [B, C, H, W]
        return torch.cat(
            [self.pool(x).flatten(1), histogram(x), gradients(x, self.pool).flatten(1)], 1
        )

    def pool(self, x: Tensor) -> Tensor:
        """Means over a grid of cells [B, K, H, W] -> [B, K, 8, 8]."""
        return self.down @ x @ self.across.T


def averages(size: int, cells: int) -> Tensor:
    """[cells, size]: each row averages an equal part of a side, pixels shared in proportion."""
    edges = torch.linspace(0, size, cells + 1, dtype=torch.float64)
    pixel = torch.arange(size, dtype=torch.float64)
    inside = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return (inside.clamp(min=0) * cells / size).float()


def histogram(x: Tensor) -> Tensor:
    """Joint histogram of all channels, each pixel shared between neighboring levels [B, 4^C]."""
    centers = torch.linspace(0, 1, LEVELS, device=x.device)
    share = (1 - (x[:, :, None] - centers[:, None, None]).abs() * (LEVELS - 1)).clamp(min=0)
    share = share.flatten(3)  # [B, C, levels, pixels]
    joint = share[:, 0]
    for channel in range(1, x.shape[1]):
        joint = (joint[:, :, None] * share[:, channel][:, None]).flatten(1, 2)
    return joint.mean(2).sqrt()


def gradients(x: Tensor, pool) -> Tensor:
    """Energy of the gray gradient by direction and cell [B, 8, 8, 8], relative to the image's."""
    gray = F.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    right = gray[:, :, 1:-1, 2:] - gray[:, :, 1:-1, :-2]
    below = gray[:, :, 2:, 1:-1] - gray[:, :, :-2, 1:-1]
    angle = torch.arange(DIRECTIONS, device=x.device) * (2 * math.pi / DIRECTIONS)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    energy = pool((right * cosine + below * sine).clamp(min=0))  # [B, 8, cells, cells]
    return (energy / (energy.mean((1, 2, 3), keepdim=True) + 1e-3)).sqrt()
