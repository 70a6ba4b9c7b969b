"""The loss of a step and its gradient: of the whole batch at once, or in micro-batches.

A contrastive target compares all rows of a batch, so its rows can't be computed separately like
those of other targets. Gradient caching (Gao et al. 2021) computes all embeddings without keeping
the activations, then the gradient at the embeddings, and then, per micro-batch and with the same
random numbers, the embeddings again, to backpropagate that gradient. Memory grows with the
micro-batch, not the batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmbm.kinds.contrastive.head import ContrastiveHead, Learned
from mmbm.layers.batch import Field
from mmbm.layers.collective import all_gather, all_gather_with_grad, all_reduce, world_size
from mmbm.nn.modalities import Batch
from mmbm.nn.model import Model
from mmbm.training.checkpoint import Tensors, generators, restore_generators
from mmbm.training.device import Precision
from mmbm.training.distributed import sync_on_last, unwrap


class Cached(NamedTuple):
    """The gradient of a contrastive target's loss at its head's embeddings, scale and bias."""

    embedded: Tensor  # [B, M, D]
    learned: list[Tensor]

    def onward(self, head: ContrastiveHead, embedded: Tensor, rows: slice, share: float) -> Tensor:
        """Zero, with this gradient. `share`: the micro-batch's part of all micro-batches."""
        loss = (embedded * self.embedded[rows]).sum()
        values = (v for v in head.learned() if v is not None)
        loss = loss + share * sum(v * g for v, g in zip(values, self.learned))
        return loss - loss.detach()


class Part(NamedTuple):
    """A micro-batch of a step that has contrastive targets."""

    rows: slice
    cached: dict[str, Cached]  # by contrastive target
    share: float  # its part of this process's rows


Scale = dict[str, Tensor] | None
"""Of each target's loss; 1 if None."""


class Objective(nn.Module):
    """The model's loss as a forward pass, so that several processes can share its gradient."""

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(
        self, batch: Batch, targets: Batch, scale: Scale = None, part: Part | None = None
    ) -> Tensor:
        """Scalar. scale: of each target's loss; 1 if not given."""
        if part is None:
            return self.model.loss(batch, targets, scale)
        assert scale is not None
        context = self.model.context(*self.model.encode(batch))
        losses = [
            part.cached[name].onward(target, target(context), part.rows, part.share)
            if name in part.cached
            else scale[name] * target.loss(context, targets[name], self.model.unimodal_loss_weight)
            for name, target in self.model.targets.items()
        ]
        return torch.stack(losses).sum()


def backward(
    objective: nn.Module, precision: Precision, inputs: Batch, targets: Batch, parts: int = 1
) -> Tensor:
    """Add the gradient of a batch's loss to the parameters'; returns the loss, both over the rows
    of all processes. `parts`: micro-batches that the rows are computed in."""
    model: Model = unwrap(objective).model
    weights = Weights(model, inputs, targets) if parts > 1 or world_size() > 1 else None
    if parts == 1 or weights is None:
        with precision.autocast():
            loss = objective(inputs, targets, weights.scale() if weights else None)
        precision.backward(loss)
        return mean(loss.detach())
    rows = len(next(iter(inputs.values())).present)
    slices = [slice(int(part[0]), int(part[-1]) + 1) for part in np.array_split(range(rows), parts)]
    states, cached, loss = embed_first(model, precision, inputs, targets, slices)
    for i, some in enumerate(slices):
        if states:
            restore_generators(states[i])
        share = (some.stop - some.start) / rows
        part = Part(some, cached, share)
        with sync_on_last(objective, last=i == parts - 1):
            with precision.autocast():
                added = objective(
                    slice_batch(inputs, some), slice_batch(targets, some), weights.scale(some), part
                )
            precision.backward(added)
        loss += added.detach()
    return mean(loss)


def mean(loss: Tensor) -> Tensor:
    """Over the processes."""
    return all_reduce(loss) / world_size() if world_size() > 1 else loss


class Weights:
    """Weight of some rows' loss in that of the whole batch of all processes: each target's is a
    mean over the rows in its `loss_mask`, and a process may have more of them than another."""

    def __init__(self, model: Model, inputs: Batch, targets: Batch):
        self.masks = {n: t.loss_mask(targets[n], inputs) for n, t in model.targets.items()}
        self.whole = model.contrastive()  # already compares all rows of all processes
        counts = torch.stack([mask.sum() for mask in self.masks.values()])
        counts = all_reduce(counts).clamp(min=1)
        self.counts = dict(zip(self.masks, counts))

    def scale(self, rows: slice | None = None) -> dict[str, Tensor]:
        """Weight of each target's loss for these rows, or for all of this process: gradients are
        averaged over processes, not added."""
        some = rows or slice(None)
        return {
            name: torch.ones((), device=mask.device)
            if name in self.whole
            else world_size() * mask[some].sum() / self.counts[name]
            for name, mask in self.masks.items()
        }


def embed_first(
    model: Model, precision: Precision, inputs: Batch, targets: Batch, slices: list[slice]
) -> tuple[list[Tensors], dict[str, Cached], Tensor]:
    """For contrastive targets the gradients at all embeddings, and the loss; and the states of the
    random generators before each slice, whose embeddings are computed once more."""
    states, embedded, cached = [], [], {}
    loss = torch.zeros((), device=next(iter(inputs.values())).present.device)
    with torch.no_grad(), precision.autocast(), preserve_buffers(model):
        for rows in slices if model.contrastive() else []:
            states.append(generators())
            embedded.append(model.embed(slice_batch(inputs, rows)))
    largest = max(rows.stop - rows.start for rows in slices)
    for name, head in model.contrastive().items():
        z = torch.cat([each[name] for each in embedded])
        cached[name], value = cache(head, z, targets[name].values, largest)
        loss += value
    return states, cached, loss


def cache(head: ContrastiveHead, z: Tensor, keys: Tensor, rows: int) -> tuple[Cached, Tensor]:
    """The gradient of the contrastive loss at z [B, M, D] and at its parameters, and the loss."""
    z = z.detach().requires_grad_()
    everything = all_gather_with_grad(z)
    leaf = everything.detach().requires_grad_()
    scale, bias = head.learned()
    scale = scale.detach().requires_grad_()
    bias = None if bias is None else bias.detach().requires_grad_()
    loss = torch.zeros((), device=z.device)
    for part in head.parts(leaf, all_gather(keys), Learned(scale, bias), rows):
        part.backward()
        loss += part.detach()
    assert leaf.grad is not None
    (own,) = torch.autograd.grad(everything, z, leaf.grad) if everything is not z else (leaf.grad,)
    gradients = [v.grad for v in (scale, bias) if v is not None and v.grad is not None]
    return Cached(own, gradients), loss


def slice_batch(fields: Batch, rows: slice) -> Batch:
    return {name: Field(*(tensor[rows] for tensor in field)) for name, field in fields.items()}


@contextmanager
def preserve_buffers(model: nn.Module) -> Iterator[None]:
    """Restore running statistics afterwards: these rows are computed once more."""
    before = [buffer.clone() for buffer in model.buffers()]
    yield
    for buffer, old in zip(model.buffers(), before):
        buffer.copy_(old)
