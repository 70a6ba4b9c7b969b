"""Mixup, CutMix and manifold mixup: rows of a batch are blended in pairs during training.

A blended row has two targets; its loss is that of both, each by its share. Only rows that have the
same inputs are blended; others stay unchanged.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from mmbm.config import MixupSpec
from mmbm.kinds.image.frontend import span
from mmbm.layers.batch import Field, Tokens

if TYPE_CHECKING:
    from mmbm.nn.modalities import Batch
    from mmbm.nn.model import Model


class Pairs(NamedTuple):
    other: Tensor  # [B] the row that each is blended with
    share: Tensor  # [B] of the row itself, 1 if unchanged


class Mixup:
    def __init__(self, spec: MixupSpec):
        self.spec = spec

    def losses(self, model: "Model", batch: "Batch", targets: "Batch") -> dict[str, Tensor]:
        """Of each target, a scalar."""
        pairs = self.draw(batch)
        if self.spec.kind == "mixup":
            batch = {name: mixup(field, pairs) for name, field in batch.items()}
        elif self.spec.kind == "cutmix":
            batch, pairs = cutmix(batch, pairs)
        tokens, present, _ = model.encode(batch)
        if self.spec.kind == "manifold":
            tokens = {name: manifold_mixup(x, pairs) for name, x in tokens.items()}
        context = model.context(tokens, present)
        losses, weight = {}, model.unimodal_loss_weight
        for name, target in model.targets.items():
            own, other = targets[name], Field(*(part[pairs.other] for part in targets[name]))
            losses[name] = target.loss(context, own, weight, pairs.share)
            losses[name] = losses[name] + target.loss(context, other, weight, 1 - pairs.share)
        return losses

    def draw(self, batch: "Batch") -> Pairs:
        known = torch.stack([field.present for field in batch.values()])  # [C, B]
        rows = known.shape[1]
        other = torch.randperm(rows, device=known.device)
        alpha = torch.tensor(self.spec.alpha, device=known.device)
        share = torch.distributions.Beta(alpha, alpha).sample((rows,))
        alike = (known == known[:, other]).all(0)
        return Pairs(other, torch.where(alike, share, torch.ones_like(share)))


def mixup(field: Field, pairs: Pairs) -> Field:
    """Mixup (Zhang et al. 2018): the weighted mean of two images, by their shares."""
    share = pairs.share[:, None, None, None]
    x = field.values.float()
    x = share * x + (1 - share) * x[pairs.other]
    return field._replace(values=x.round().to(field.values.dtype))


def cutmix(batch: "Batch", pairs: Pairs) -> tuple["Batch", Pairs]:
    """CutMix (Yun et al. 2019): a rectangle, the same part of all the row's images; the shares are
    then its exact ones."""
    side = (1 - pairs.share).sqrt()[:, None]  # [B, 1]
    place = torch.rand(2, *side.shape, device=side.device)
    pasted, shares = {}, []
    for name, field in batch.items():
        height, width = field.values.shape[1:3]
        down, across = span(height, side, place[0]), span(width, side, place[1])
        inside = down[:, :, None] & across[:, None, :]  # [B, H, W]
        values = torch.where(inside[..., None], field.values[pairs.other], field.values)
        pasted[name] = field._replace(values=values)
        shares.append(1 - inside.float().mean((1, 2)))
    return pasted, Pairs(pairs.other, torch.stack(shares).mean(0))


def manifold_mixup(tokens: Tokens, pairs: Pairs) -> Tokens:
    """Manifold mixup (Verma et al. 2019): each token's weighted mean with that of the same
    position; zeros after a shorter row's end."""
    share = pairs.share[:, None, None].to(tokens.x.dtype)
    own, others = (pairs.share > 0)[:, None], (pairs.share < 1)[:, None]
    x = share * tokens.x + (1 - share) * tokens.x[pairs.other]
    return Tokens(x, (tokens.keep & own) | (tokens.keep[pairs.other] & others))
