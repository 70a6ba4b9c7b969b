"""EfficientNet-Lite0 (Tan & Le 2019; Liu 2020): EfficientNet-B0 without squeeze-and-excitation and
swish, which small devices lack.

Its maps are padded as TensorFlow pads them (`SAME`), since its weights were trained there. The
reference is `efficientnet_lite_pytorch`, whose outputs a test compares.
"""

from pathlib import Path

import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
"""Blocks, kernel, stride of the first one, expansion, channels."""
STEM, HEAD = 32, 1280


class EfficientNetLite(nn.Module):
    width = HEAD

    def __init__(self):
        super().__init__()
        self.stem = Step(3, STEM, 3, stride=2)
        self.blocks = nn.ModuleList()
        before = STEM
        for count, kernel, stride, expand, after in STAGES:
            for block in range(count):
                step = 1 if block else stride
                self.blocks.append(Block(before, after, kernel, step, expand))
                before = after
        self.head = Step(before, HEAD, 1)

    def forward(self, x: Tensor) -> Tensor:  # [B, 3, H, W] -> [B, 1280, H/32, W/32]
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Block(nn.Module):
    """Inverted residual (Sandler et al. 2018)."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int):
        super().__init__()
        wide = before * expand
        self.expand = Step(before, wide, 1) if expand > 1 else None
        self.depthwise = Step(wide, wide, kernel, stride, groups=wide)
        self.project = Step(wide, after, 1, act=False)
        self.residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class Step(nn.Module):
    """Convolution, normalization, and ReLU6."""

    def __init__(self, before, after, kernel, stride=1, groups=1, act=True):
        super().__init__()
        self.kernel, self.stride, self.act = kernel, stride, act
        self.conv = nn.Conv2d(before, after, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(same(x, self.kernel, self.stride)))
        return F.relu6(x) if self.act else x


def same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zero padding to ceil(side / stride) output positions: the odd one at the end."""
    if kernel == 1:
        return x
    height, width = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))


def load_weights(model: nn.Module, file: Path) -> tuple[list[str], list[str]]:
    """The names of weights that are missing from the file or from the model, and of those with
    another shape; if there are any, nothing is loaded."""
    ours, theirs = model.state_dict(), load_file(file)
    strange = sorted(set(ours) ^ set(theirs))
    other = sorted(n for n in set(ours) & set(theirs) if ours[n].shape != theirs[n].shape)
    if not strange and not other:
        model.load_state_dict(theirs)
    return strange, other
