"""Blocks that several parts of the model share. `keep` [B, T] masks the valid positions."""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Tokens
from mmbm.layers.collective import all_reduce, world_size


def valid(lengths: Tensor, size: int) -> Tensor:
    """Lengths [B] -> keep [B, size], True before each row's length."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def in_float32(forward: Callable) -> Callable:
    """A forward without mixed precision: a frontend computes in float32."""

    @functools.wraps(forward)
    def wrapped(self: nn.Module, field):
        if torch.compiler.is_exporting():  # a graph has no autocast
            return forward(self, field)
        with torch.autocast(field.values.device.type, enabled=False):
            return forward(self, field)

    return wrapped


class Pool(nn.Module):
    """Masked mean and masked maximum over the tokens, mixed to one vector."""

    def __init__(self, width: int):
        super().__init__()
        self.mix = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:  # [B, T, D], [B, T] -> [B, D]
        keep = keep[..., None]
        mean = (x * keep).sum(1) / keep.sum(1).clamp(min=1)
        highest = x.masked_fill(~keep, torch.finfo(x.dtype).min).amax(1)
        return self.mix(torch.cat([mean, highest], -1))


class MaskedBatchNorm(nn.BatchNorm2d):
    """Batch normalization of [B, C, T, F] whose statistics come from the kept positions only, of
    all processes that train together.

    Without a mask, and in evaluation, it is `nn.BatchNorm2d`. Masked positions come out zero.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:  # keep [B, T]
        if keep is None and self.training and x.numel() == x.shape[1]:
            # One value per channel has no spread: a last batch of one small image.
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)
        if keep is None and self.training and world_size() > 1:
            keep = torch.ones(len(x), x.shape[2], dtype=torch.bool, device=x.device)
        if keep is None:
            return super().forward(x)
        mask = keep[:, None, :, None]  # [B, 1, T, 1]
        if not self.training:
            return super().forward(x) * mask
        count = all_reduce(keep.sum()) * x.shape[3]
        with torch.autocast(x.device.type, enabled=False):
            out, mean, var = MaskedNorm.apply(
                x.float(), mask.float(), count, self.weight, self.bias, self.eps
            )
        with torch.no_grad():
            unbiased = var * count / (count - 1).clamp(min=1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
            self.num_batches_tracked += 1
        return out.to(x.dtype)


class MaskedNorm(torch.autograd.Function):
    """Batch normalization (Ioffe & Szegedy 2015) over the positions that a mask keeps. Written out,
    forward and back, since each pass over a spectrogram's maps takes as long as a convolution."""

    @staticmethod
    def forward(ctx, x, mask, count, gain, bias, eps):  # [B, C, T, F], [B, 1, T, 1], [], [C], [C]
        kept = x * mask
        sums = all_reduce(torch.stack([kept.sum((0, 2, 3)), (kept * kept).sum((0, 2, 3))]))
        mean, square = sums / count  # [C]
        var = (square - mean.square()).clamp(min=0)
        rate = torch.rsqrt(var + eps)
        scale = gain * rate
        ctx.save_for_backward(kept, mask, count, mean, rate, scale)
        ctx.mark_non_differentiable(mean, var)
        out = torch.addcmul(wide(bias - mean * scale) * mask, kept, wide(scale))
        return out, mean, var

    @staticmethod
    def backward(ctx, grad, *_):  # type: ignore[override]
        kept, mask, count, mean, rate, scale = ctx.saved_tensors
        grad = grad * mask
        bias = grad.sum((0, 2, 3))
        gain = ((grad * kept).sum((0, 2, 3)) - mean * bias) * rate
        all_bias, all_gain = all_reduce(torch.stack([bias, gain]))
        slope = scale * all_gain * rate / count
        level = wide(slope * mean - scale * all_bias / count) * mask
        inner = torch.addcmul(level, grad, wide(scale)).addcmul_(kept, -wide(slope))
        return inner, None, None, gain, bias, None


def wide(x: Tensor) -> Tensor:
    """[C] -> [C, 1, 1]"""
    return x[:, None, None]


GATES = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""Order of ONNX's gates (z, r, h and i, o, f, c) in torch's (r, z, n and i, f, g, o)."""


class Recurrence(nn.Module):
    """One GRU or LSTM layer. The backward direction reads every row from its own last position.

    Reversing each row within its length by `gather` is exact at any padding (a plain bidirectional
    layer starts in the padding) and, unlike a packed sequence, needs no lengths on the host.
    """

    def __init__(self, cell: str, features: int, hidden: int, bidirectional: bool):
        super().__init__()
        make = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.cell, self.hidden = cell, hidden
        self.directions = nn.ModuleList(
            make(features, hidden, batch_first=True) for _ in range(1 + bidirectional)
        )

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:  # [B, T, F], [B, T] -> [B, T, n*H]
        run = self.operator if torch.compiler.is_exporting() else run_layer
        out = [run(self.directions[0], x)]
        if len(self.directions) == 2:
            back = reversal(keep)  # [B, T]
            out.append(along_time(run(self.directions[1], along_time(x, back)), back))
        return torch.cat(out, -1) * keep[..., None]

    def operator(self, layer: nn.Module, x: Tensor) -> Tensor:  # [B, T, F] -> [B, T, H]
        """The same as one ONNX operator, without lengths: some runtimes ignore them."""

        def gates(name: str) -> Tensor:
            parts = layer.get_parameter(f"{name}_l0").chunk(len(GATES[self.cell]))
            return torch.cat([parts[i] for i in GATES[self.cell]])[None]

        options: dict[str, Any] = {"hidden_size": self.hidden}
        if self.cell == "gru":
            options["linear_before_reset"] = 1
        y = torch.onnx.ops.symbolic(
            self.cell.upper(),
            [
                x.transpose(0, 1),
                gates("weight_ih"),
                gates("weight_hh"),
                torch.cat([gates("bias_ih"), gates("bias_hh")], 1),
            ],
            options,
            dtype=x.dtype,
            shape=[x.shape[1], 1, x.shape[0], self.hidden],
            version=20,
        )
        return y.squeeze(1).transpose(0, 1)


def run_layer(layer: nn.Module, x: Tensor) -> Tensor:  # [B, T, F] -> [B, T, H]
    """In torch's precision. Processors without AVX-512 have no LSTM in bfloat16."""
    if x.device.type != "cpu":
        return layer(x)[0]
    with torch.autocast("cpu", enabled=False):
        return layer(x.float())[0]


def reversal(keep: Tensor) -> Tensor:
    """For every position of a row, the mirrored one within its length; padding stays. [B, T]."""
    time = torch.arange(keep.shape[1], device=keep.device).expand(keep.shape)
    return torch.where(keep, keep.sum(1, keepdim=True) - 1 - time, time)


def along_time(x: Tensor, index: Tensor) -> Tensor:  # [B, T, D], [B, T]
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))


class Attention(nn.Module):
    """Multi-head self-attention over the kept positions."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:  # [B, T, D], [B, T]
        return self.attend(x, keep[:, None, None, :])[0]

    def attend(self, x: Tensor, mask: Tensor, past: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attention to earlier keys and values too, past [B, 2, h, S, D/h], with the mask [B, 1, 1
        or T, S+T]; returns the output [B, T, D], and keys and values of all."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # [B, T, 3, h, D/h]
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each [B, h, T, D/h]
        if past is not None:
            k, v = torch.cat([past[:, 0], k], 2), torch.cat([past[:, 1], v], 2)
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        return self.out(x.transpose(1, 2).flatten(2)), torch.stack([k, v], 1)


class Block(nn.Module):
    """Pre-norm transformer block (Xiong et al. 2020)."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:  # [B, T, D], [B, T]
        return self.attend(x, keep[:, None, None, :])[0]

    def attend(self, x: Tensor, mask: Tensor, past: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `Attention.attend`."""
        seen, kept = self.attention.attend(self.norm_attention(x), mask, past)
        x = x + self.drop(seen)
        return x + self.drop(self.mlp(self.norm_mlp(x))), kept


class Sinusoids(nn.Module):
    """Sines and cosines of a position (Vaswani et al. 2017), for any length."""

    rates: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        half = torch.arange((width + 1) // 2, dtype=torch.float64)
        rates = torch.exp(half * (-math.log(10_000.0) / len(half))).float()
        self.register_buffer("rates", rates, persistent=False)  # a constant, so runners agree on it

    def forward(self, length: int) -> Tensor:  # [length, width]
        return self.at(torch.arange(length, device=self.rates.device))

    def at(self, places: Tensor) -> Tensor:  # [...] -> [..., width]
        angles = places.float()[..., None] * self.rates
        return torch.cat([angles.sin(), angles.cos()], -1)[:, : self.width]


def join(parts: list[Tokens]) -> Tokens:
    """The tokens of several modalities as one sequence."""
    return Tokens(torch.cat([p.x for p in parts], 1), torch.cat([p.keep for p in parts], 1))


def check_heads(part: str, width: int, heads: int) -> None:
    if width % heads:
        raise ConfigError(f"{part}: width {width} can't be divided among {heads} heads.")
