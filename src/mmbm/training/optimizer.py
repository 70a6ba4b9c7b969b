"""AdamW, and the learning rate of every step."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmbm.config import TrainSpec
from mmbm.nn.model import Model


class ParameterGroup(NamedTuple):
    """Training settings of some weights."""

    weight_decay: float
    scale: float = 1.0  # their factor on `train.lr`
    start: int = 0  # the epoch in which they are unfrozen


class Schedule:
    """Linear warm-up, then half a cosine down to a hundredth (Loshchilov & Hutter 2017)."""

    def __init__(self, spec: TrainSpec, steps_per_epoch: int):
        self.spec, self.steps_per_epoch = spec, steps_per_epoch
        self.total = steps_per_epoch * spec.epochs

    def lr(self, step: int) -> float:
        warmup = max(int(self.total * self.spec.warmup_ratio), 1)
        if step < warmup:
            return self.spec.lr * (step + 1) / warmup
        done = (step - warmup) / max(self.total - warmup, 1)
        return self.spec.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))

    def apply(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Set the learning rate of every group for this step."""
        for group in optimizer.param_groups:
            begun = step >= group["start"] * self.steps_per_epoch
            group["lr"] = self.lr(step) * group["scale"] if begun else 0.0


def build_optimizer(model: Model, spec: TrainSpec) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019) over all trained weights."""
    return torch.optim.AdamW(
        parameter_groups(model, spec), lr=spec.lr, betas=(0.9, 0.98), fused=True
    )


def parameter_groups(model: Model, spec: TrainSpec) -> list[dict[str, Any]]:
    """Weights with the same training settings. Weight decay is for matrices only: not for biases,
    gains and single learned tokens."""
    pretrained: dict[Tensor, ParameterGroup] = {}
    for encoder in model.pretrained():
        own, layer_decay = (encoder.spec.lr or spec.lr) / spec.lr, encoder.spec.layer_decay
        epochs = encoder.spec.gradual_unfreezing
        for weight, depth in encoder.depths().items():
            start = (depth + 1) * epochs if epochs else 0
            pretrained[weight] = ParameterGroup(0.0, own * layer_decay**depth, start)
    grouped: dict[ParameterGroup, list[Tensor]] = {}
    for weight in model.parameters():
        if weight.requires_grad:
            group = pretrained.get(weight, ParameterGroup(0.0))
            if weight.ndim > 1:
                group = group._replace(weight_decay=spec.weight_decay)
            grouped.setdefault(group, []).append(weight)
    return [{"params": weights, **group._asdict()} for group, weights in grouped.items()]
