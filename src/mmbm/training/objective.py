"""The loss of a step and its gradient: of the whole batch at once, or some rows at a time.

A contrastive target compares all rows of a batch, so its rows can't be computed apart as those of
other targets can. Gradient caching (Gao et al. 2021) computes all embeddings without keeping what
led to them, then the gradient at the embeddings, and then, some rows at a time and with the same
random numbers, the embeddings again, from which that gradient goes on. Memory grows with the chunk,
not the batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from mmbm.kinds.contrastive.head import ContrastiveHead, Learned, everyones, gathered
from mmbm.layers.batch import Field
from mmbm.nn.modalities import Batch
from mmbm.nn.model import Model
from mmbm.training.checkpoint import generators, restore_generators


class Cached(NamedTuple):
    """The gradient of a contrastive target's loss at its head's embeddings, scale and bias."""

    embedded: Tensor  # [B, M, D]
    learned: list[Tensor]

    def onward(self, head: ContrastiveHead, embedded: Tensor, rows: slice, share: float) -> Tensor:
        """Zero, with this gradient. `share`: of the chunk in what all chunks have."""
        loss = (embedded * self.embedded[rows]).sum()
        values = (v for v in head.learned() if v is not None)
        loss = loss + share * sum(v * g for v, g in zip(values, self.learned))
        return loss - loss.detach()


class Part(NamedTuple):
    """Some rows of a batch."""

    rows: slice
    inputs: Batch
    targets: Batch
    cached: dict[str, Cached]  # by contrastive target
    share: dict[str, Any]  # by target: of the chunk in its loss


class Objective(nn.Module):
    """The model's loss as a forward pass, so that several processes can share its gradient."""

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, targets: Batch, part: Part | None = None) -> Tensor:
        if part is None:
            return self.model.loss(batch, targets)
        context = self.model.context(*self.model.encode(batch))
        losses = [
            part.cached[name].onward(target, target(context), part.rows, part.share[name])
            if name in part.cached
            else part.share[name]
            * target.loss(context, targets[name], self.model.unimodal_loss_weight)
            for name, target in self.model.targets.items()
        ]
        return torch.stack(losses).sum()


def backward(
    accelerator: Accelerator, objective: nn.Module, inputs: Batch, targets: Batch, chunk: int | None
) -> Tensor:
    """Add the gradient of a batch's loss to the parameters'; the loss itself."""
    total = len(next(iter(inputs.values())).present)
    if chunk is None or chunk >= total:
        with accelerator.autocast():
            loss = objective(inputs, targets)
        accelerator.backward(loss)
        return loss.detach()

    model: Model = accelerator.unwrap_model(objective).model
    slices = [slice(start, min(start + chunk, total)) for start in range(0, total, chunk)]
    states, embedded = [], []
    with torch.no_grad(), accelerator.autocast(), unchanged(model):
        for rows in slices if model.contrastive() else []:
            states.append(generators())
            embedded.append(model.embed(some(inputs, rows)))
    cached, loss = {}, torch.zeros((), device=accelerator.device)
    for name, head in model.contrastive().items():
        z = torch.cat([each[name] for each in embedded])
        cached[name], value = cache(head, z, targets[name].values, chunk)
        loss += value

    taught = {name: t.taught(targets[name], inputs) for name, t in model.targets.items()}
    for i, rows in enumerate(slices):
        if states:
            restore_generators(states[i])
        share = {
            name: (rows.stop - rows.start) / total
            if name in cached
            else taught[name][rows].sum() / taught[name].sum().clamp(min=1)
            for name in taught
        }
        part = Part(rows, some(inputs, rows), some(targets, rows), cached, share)
        with together(accelerator, objective, last=i == len(slices) - 1):
            with accelerator.autocast():
                added = objective(part.inputs, part.targets, part)
            accelerator.backward(added)
        loss += added.detach()
    return loss


def cache(head: ContrastiveHead, z: Tensor, keys: Tensor, rows: int) -> tuple[Cached, Tensor]:
    """The gradient of the contrastive loss at z [B, M, D] and at what it learns, and the loss."""
    z = z.detach().requires_grad_()
    everything = gathered(z)
    leaf = everything.detach().requires_grad_()
    scale, bias = head.learned()
    scale = scale.detach().requires_grad_()
    bias = None if bias is None else bias.detach().requires_grad_()
    loss = torch.zeros((), device=z.device)
    for part in head.parts(leaf, everyones(keys), Learned(scale, bias), rows):
        part.backward()
        loss += part.detach()
    assert leaf.grad is not None
    (own,) = torch.autograd.grad(everything, z, leaf.grad) if everything is not z else (leaf.grad,)
    gradients = [v.grad for v in (scale, bias) if v is not None and v.grad is not None]
    return Cached(own, gradients), loss


def some(fields: Batch, rows: slice) -> Batch:
    return {name: Field(*(tensor[rows] for tensor in field)) for name, field in fields.items()}


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Running statistics are put back: these rows are computed once more."""
    before = [buffer.clone() for buffer in model.buffers()]
    yield
    for buffer, old in zip(model.buffers(), before):
        buffer.copy_(old)


@contextmanager
def together(accelerator: Accelerator, objective: nn.Module, last: bool) -> Iterator[None]:
    """Several processes share their gradients once, after the last chunk."""
    if last:
        yield
        return
    with accelerator.no_sync(objective):
        yield
