"""Image frontend: uint8 pixels -> normalized floats; random augmentation in training."""

from typing import Any

import torch
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.image.spec import ImageSpec
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import in_float32

MEAN, SPREAD = 127.5, 63.75  # of natural images, roughly; 0..255 becomes -2..2


class ImageFrontend(nn.Module):
    layout = "picture"
    mean: Tensor
    spread: Tensor

    def __init__(self, spec: ImageSpec, column: Column):
        super().__init__()
        self.features = spec.channels
        self.augment = spec.augment
        mean, spread = normalising(column)
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("spread", torch.tensor(spread), persistent=False)

    @in_float32
    def forward(self, field: Field) -> Features:
        x = field.values  # [B, H, W, C] uint8
        if self.training:
            x = x[real(field.present)]
        if self.training and (self.augment.flip or self.augment.crop):
            x = shift(x, self.augment.flip, self.augment.crop)
        x = (x.float() - self.mean) / self.spread
        if self.training and self.augment.random_erasing:
            x = random_erasing(x, self.augment.random_erasing)
        return Features(x.permute(0, 3, 1, 2))  # [B, C, H, W], channels last in memory


def normalising(column: Column) -> tuple[Any, Any]:
    """Mean and divisor of pixels of 0..255: from a pretrained encoder's own preprocessing, per
    channel, or one value for all."""
    if "pretrained" not in column.state:
        return MEAN, SPREAD
    told = column.state["pretrained"]["preprocessor"]
    scale = told.get("rescale_factor", 1 / 255) if told.get("do_rescale", True) else 1.0
    if not told.get("do_normalize", True):
        return 0.0, 1 / scale
    return [m / scale for m in told["image_mean"]], [s / scale for s in told["image_std"]]


def real(present: Tensor) -> Tensor:
    """Row index for every row: itself, or a present row where it is absent. [B] bool -> [B] rows.

    An absent row's tokens are never used; without this its black pixels would enter the batch
    statistics of normalization layers.
    """
    absent = present.logical_not()
    known = absent.argsort(stable=True)  # the present rows first
    turn = (absent.cumsum(0) - 1).clamp(min=0) % present.sum().clamp(min=1)
    return torch.where(present, torch.arange(len(present), device=present.device), known[turn])


def shift(x: Tensor, flip: bool, crop: float) -> Tensor:
    """Each row shifted by up to `crop` of its side, edges repeated, and half of them mirrored."""
    rows, height, width, _ = x.shape
    down = axis(rows, height, crop, x.device)  # [B, H]
    across = axis(rows, width, crop, x.device)  # [B, W]
    if flip:
        mirrored = torch.rand(rows, 1, device=x.device) < 0.5
        across = torch.where(mirrored, width - 1 - across, across)
    row = torch.arange(rows, device=x.device)[:, None, None]
    return x[row, down[:, :, None], across[:, None, :]]


def axis(rows: int, size: int, crop: float, device: torch.device) -> Tensor:
    """Source index of each of `size` pixels, per row. [B, size]"""
    move = ((2 * torch.rand(rows, 1, device=device) - 1) * crop * size).round().long()
    return (torch.arange(size, device=device) + move).clamp(0, size - 1)


def random_erasing(x: Tensor, chance: float) -> Tensor:
    """Random erasing (Zhong et al. 2017): a gray rectangle of 2 to 30 % of the image."""
    rows, height, width, _ = x.shape
    draw = torch.rand(5, rows, 1, device=x.device)
    area = 0.02 + 0.28 * draw[0]
    aspect = torch.exp((2 * draw[1] - 1) * 1.2)  # 0.3 to 3.3, even on a log scale
    down = span(height, (area * aspect).sqrt().clamp(max=1), draw[2])  # [B, H]
    across = span(width, (area / aspect).sqrt().clamp(max=1), draw[3])  # [B, W]
    inside = down[:, :, None] & across[:, None, :] & (draw[4] < chance)[:, :, None]
    return x.masked_fill(inside[..., None], 0.0)


def span(size: int, part: Tensor, where: Tensor) -> Tensor:
    """`part` [B, 1] of an axis, at a random start where it fits. [B, size] bool"""
    length = part * size
    start = where * (size - length)
    place = torch.arange(size, device=part.device)
    return (place >= start) & (place < start + length)
