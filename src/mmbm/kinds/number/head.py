"""Regression head: a number in its own unit."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.number.spec import NumberTarget
from mmbm.layers.batch import Field

LOSSES = {"mse": F.mse_loss, "l1": F.l1_loss, "huber": F.huber_loss}


class NumberHead(nn.Module):
    """[B, D] -> [B, 1] in standard deviations from the mean -> [B, 1] in the column's unit.

    With `log: true` the unit inside is sign(x)·log(1+|x|) and `answer` undoes it.
    """

    prior: Tensor  # [1] mean of the train split
    mean: Tensor
    std: Tensor

    def __init__(self, spec: NumberTarget, column: Column, width: int):
        super().__init__()
        mean = torch.tensor([column.state["mean"]], dtype=torch.float64)
        self.register_buffer("mean", mean)
        self.register_buffer("std", torch.tensor([column.state["std"]], dtype=torch.float64))
        self.log = spec.log
        self.criterion = LOSSES[spec.loss]
        self.register_buffer("prior", self._unit(mean))
        self.output = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(x)  # [B, 1]

    def loss(self, raw: Tensor, target: Field) -> Tensor:
        """Loss of each row [B], in standard deviations; 0 where the target is empty."""
        goal = ((target.values - self.mean) / self.std).to(torch.float32)  # [B]
        goal = torch.where(target.present, goal, raw.float()[:, 0].detach())
        return self.criterion(raw.float()[:, 0], goal, reduction="none")

    def answer(self, raw: Tensor) -> Tensor:
        return self._unit(raw * self.std.to(raw.dtype) + self.mean.to(raw.dtype))

    def _unit(self, x: Tensor) -> Tensor:
        x = x.float()
        return x.sign() * (x.abs().clamp(max=80.0).exp() - 1) if self.log else x

    @staticmethod
    def temper(answer: Tensor, temperature: Tensor) -> Tensor:
        return answer
