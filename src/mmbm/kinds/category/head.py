"""One class out of several."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.category.spec import CategoryTarget
from mmbm.kinds.column import Column
from mmbm.layers.batch import Field


class CategoryHead(nn.Module):
    """[B, D] -> logits [B, C] -> probabilities [B, C]; softmax cross-entropy."""

    prior: Tensor  # [C] class frequencies of the train split
    class_weights: Tensor  # [C]

    def __init__(self, spec: CategoryTarget, column: Column, width: int):
        super().__init__()
        counts = torch.tensor(column.state["counts"], dtype=torch.float32)
        balanced = counts.sum() / (len(counts) * counts.clamp(min=1))
        weights = balanced if spec.class_weights == "balanced" else torch.ones_like(counts)
        self.register_buffer("prior", counts / counts.sum())
        self.register_buffer("class_weights", weights)
        self.smoothing = spec.label_smoothing
        self.output = nn.Linear(width, len(counts))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(x)  # [B, C]

    def loss(self, logits: Tensor, target: Field) -> Tensor:
        """Loss of each row [B]; 0 where the target is empty or a class unseen in training."""
        classes = target.values.long() - 1  # the column keeps 0 for an unseen value
        classes = torch.where(target.present, classes, -1)
        weight = self.class_weights
        return F.cross_entropy(
            logits.float(), classes, weight, ignore_index=-1,
            reduction="none", label_smoothing=self.smoothing,
        )  # fmt: skip

    def answer(self, logits: Tensor) -> Tensor:
        return logits.float().softmax(-1)

    @staticmethod
    def temper(answer: Tensor, temperature: Tensor) -> Tensor:
        return (answer.clamp(min=1e-12).log() / temperature).softmax(-1)
