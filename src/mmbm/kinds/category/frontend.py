"""Category: a learned vector per value; index 0 stands for a value that training never saw."""

import torch
from torch import nn

from mmbm.kinds.category.spec import CategorySpec
from mmbm.kinds.column import Column
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import in_float32

UNSEEN = 0.01
"""Fraction of the training rows whose value is hidden, so that vector 0 is learned."""


class CategoryFrontend(nn.Module):
    layout = "vector"
    features = 32

    def __init__(self, spec: CategorySpec, column: Column):
        super().__init__()
        self.embed = nn.Embedding(1 + len(column.state["values"]), self.features)

    @in_float32
    def forward(self, field: Field) -> Features:
        index = field.values.long()  # [B]
        if self.training:
            index = index * (torch.rand(index.shape, device=index.device) >= UNSEEN)
        return Features(self.embed(index))  # [B, F]
