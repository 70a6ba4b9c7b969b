"""Multi-label head."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.labels.spec import LabelsTarget
from mmbm.layers.batch import Field


class LabelsHead(nn.Module):
    """[B, D] -> logits [B, L] -> probabilities [B, L]; binary cross-entropy per label."""

    prior: Tensor  # [L] how often each label occurs in the train split

    def __init__(self, spec: LabelsTarget, column: Column, width: int):
        super().__init__()
        counts = torch.tensor(column.state["counts"], dtype=torch.float32)
        self.register_buffer("prior", counts / max(column.state["rows"], 1))
        self.output = nn.Linear(width, len(counts))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(x)  # [B, L]

    def loss(self, logits: Tensor, target: Field) -> Tensor:
        """Loss of each row [B], mean over labels; 0 where the target is empty."""
        goal = target.values.to(torch.float32)
        loss = F.binary_cross_entropy_with_logits(logits.float(), goal, reduction="none").mean(-1)
        return torch.where(target.present, loss, 0.0)

    def answer(self, logits: Tensor) -> Tensor:
        return logits.float().sigmoid()

    @staticmethod
    def temper(answer: Tensor, temperature: Tensor) -> Tensor:
        return (answer.clamp(1e-6, 1 - 1e-6).logit() / temperature).sigmoid()
