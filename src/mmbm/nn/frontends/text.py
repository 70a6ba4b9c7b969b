"""Text: token ids -> learned vectors, or the ids themselves."""

import torch
from torch import nn

from mmbm.columns import Column
from mmbm.config import KerasSpec, OwnSpec, PretrainedSpec, TextSpec
from mmbm.nn.batch import Features, Field
from mmbm.nn.layers import in_float32, valid

WIDTH = {"tiny": 64, "small": 128, "base": 256}


class Ids(nn.Module):
    """Token ids as they are, for a pretrained encoder, which has vectors of its own."""

    layout = "ids"

    def __init__(self, spec: TextSpec, column: Column):
        super().__init__()

    def forward(self, field: Field) -> Features:
        return Features(field.values.long(), valid(field.lengths, field.values.shape[1]))


class TextFrontend(nn.Module):
    layout = "tokens"

    def __init__(self, spec: TextSpec, column: Column):
        super().__init__()
        size = (
            "small"
            if isinstance(spec.encoder, OwnSpec | PretrainedSpec | KerasSpec)
            else spec.encoder.size
        )
        self.features = WIDTH[size]
        self.hide = spec.augment.hide
        self.embed = nn.Embedding(int(column.state["vocabulary"]), self.features)
        nn.init.normal_(self.embed.weight, std=0.1)

    @in_float32
    def forward(self, field: Field) -> Features:
        keep = valid(field.lengths, field.values.shape[1])  # [B, T]
        x = self.embed(field.values.long())  # [B, T, D]
        shown = keep
        if self.training and self.hide:
            shown = keep & (torch.rand(keep.shape, device=keep.device) >= self.hide)
        return Features(x * shown[..., None], keep)
