"""Collective operations over the processes of distributed training; no-ops with one process."""

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """The processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def all_reduce(x: Tensor) -> Tensor:
    """The sum over all processes, in place, without a gradient."""
    if world_size() > 1:
        dist.all_reduce(x)
    return x


def all_gather(x: Tensor) -> Tensor:
    """The rows of all processes in the order of their ranks, without a gradient. Processes with
    fewer rows are padded with zeros."""
    if world_size() == 1:
        return x
    rows = torch.tensor(len(x), device=x.device)
    dist.all_reduce(rows, dist.ReduceOp.MAX)
    padded = x.new_zeros(int(rows), *x.shape[1:])
    padded[: len(x)] = x
    parts = [torch.empty_like(padded) for _ in range(world_size())]
    dist.all_gather(parts, padded)
    return torch.cat(parts)


def all_gather_with_grad(x: Tensor) -> Tensor:
    """`all_gather`, whose gradient is returned to this process's own rows."""
    return AllGatherWithGrad.apply(x) if world_size() > 1 else x  # type: ignore[return-value]


class AllGatherWithGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        return all_gather(x.contiguous())

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # type: ignore[override]
        """Every process computes the whole loss, so it needs only its own rows' gradient, times the
        number of processes, since their gradients are averaged, not added."""
        size = world_size()
        return size * gradient.chunk(size)[dist.get_rank()][: ctx.rows]
