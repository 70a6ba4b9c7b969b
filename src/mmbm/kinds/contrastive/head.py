"""Contrastive head: several columns in one embedding space."""

import math
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.contrastive.spec import ContrastiveTarget
from mmbm.layers.batch import Context, Field
from mmbm.layers.blocks import Pool
from mmbm.layers.collective import all_gather, all_gather_with_grad
from mmbm.layers.target import Parts

SHARPEST = math.log(100)
"""Largest logarithm of the scale, as in CLIP: above it, few pairs dominate the gradient."""


class Learned(NamedTuple):
    """Learned parameters of a loss besides the embeddings."""

    log_scale: Tensor  # [] of 1 / temperature
    bias: Tensor | None  # [] of the sigmoid loss


class ContrastiveHead(nn.Module):
    """Tokens of each column [B, T, W] -> embeddings of length 1 [B, M, D], zero where absent.

    It is a complete target without fusion or ensemble. Cells of rows that share a key of one of the
    two columns are positives of each other (Khosla et al. 2020); an absent cell is neither query
    nor candidate.
    """

    def __init__(self, spec: ContrastiveTarget, column: None, parts: Parts):
        """Initial bias of the sigmoid loss, by a step's rows: one pair in so many is positive."""
        super().__init__()
        width, batch = parts.width, parts.batch_size
        self.columns, self.weight, self.kind = spec.columns, spec.weight, spec.loss
        self.pools = nn.ModuleList(Pool(width) for _ in spec.columns)
        self.project = nn.ModuleList(nn.Linear(width, spec.width) for _ in spec.columns)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(spec.temperature)))
        self.bias = nn.Parameter(torch.tensor(-math.log(batch))) if spec.loss == "sigmoid" else None

    def forward(self, context: Context) -> Tensor:
        embedded = []
        for name, pool, project in zip(self.columns, self.pools, self.project):
            x = project(pool(*context.inputs[name])).float()  # [B, D]
            x = x / (x.square().sum(-1, keepdim=True) + 1e-12).sqrt()
            embedded.append(x * context.present[name][:, None])
        return torch.stack(embedded, 1)  # [B, M, D]

    def loss(self, context: Context, target: Field, unimodal_loss_weight: float) -> Tensor:
        """Mean over all pairs of columns and both directions, over rows of all processes.
        Scalar."""
        parts = self.parts(
            all_gather_with_grad(self(context)), all_gather(target.values), self.learned()
        )
        return torch.stack(list(parts)).sum()

    def loss_mask(self, target: Field, batch: dict[str, Field]) -> Tensor:
        """Which rows the loss compares [B]."""
        return target.present

    def learned(self) -> Learned:
        if self.training:
            with torch.no_grad():
                self.log_scale.clamp_(max=SHARPEST)
        return Learned(self.log_scale, self.bias)

    def parts(
        self, z: Tensor, keys: Tensor, learned: Learned, rows: int | None = None
    ) -> Iterator[Tensor]:
        """The loss in parts that add up to it, `rows` queries each, so that their similarities
        [rows, B] are never all in memory. z [B, M, D], keys [B, M], 0 where a cell is absent."""
        pairs = permutations if self.kind == "infonce" else combinations  # both ways, or symmetric
        asked = [(i, j, *_asks(keys, i, j)) for i, j in pairs(range(len(self.columns)), 2)]
        number = torch.stack([asks.any() for *_, asks in asked]).sum().clamp(min=1)
        for i, j, there, asks in asked:
            weight = self.weight / (number * asks.sum().clamp(min=1))
            for start in range(0, len(z), rows or len(z)):
                some = slice(start, start + (rows or len(z)))
                right = keys[some, None, i] == keys[:, i]
                right = (right | (keys[some, None, j] == keys[:, j])) & there  # [b, B]
                logits = learned.log_scale.exp() * _similarity(z[some, i], z[:, j])
                if learned.bias is None:
                    loss = _infonce(logits, right & asks[some, None], there)
                else:
                    here = (keys[some, i] > 0)[:, None]
                    loss = _sigmoid(logits + learned.bias, right, here & there)
                yield weight * loss


def _similarity(a: Tensor, b: Tensor) -> Tensor:
    """[b, D], [B, D] -> cosine similarities [b, B] in float32: their differences are small."""
    with torch.autocast(a.device.type, enabled=False):
        return a.float() @ b.float().T


def _asks(keys: Tensor, i: int, j: int) -> tuple[Tensor, Tensor]:
    """Which cells of column j are present [B]; which of column i have a positive there [B]."""
    there = keys[:, j] > 0
    partners = torch.where(there, keys[:, i], -1)
    return there, (keys[:, i] > 0) & torch.isin(keys[:, i], partners)


def _infonce(logits: Tensor, right: Tensor, there: Tensor) -> Tensor:
    """Sum over queries of the cross-entropy against all positives, equally weighted."""
    log_p = logits.masked_fill(~there, torch.finfo(logits.dtype).min).log_softmax(-1)
    each = torch.where(right, log_p, 0.0).sum(-1) / right.sum(-1).clamp(min=1)
    return -each.sum()


def _sigmoid(logits: Tensor, right: Tensor, counted: Tensor) -> Tensor:
    each = F.logsigmoid(torch.where(right, logits, -logits))
    return -torch.where(counted, each, 0.0).sum()
