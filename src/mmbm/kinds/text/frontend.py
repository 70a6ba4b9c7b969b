"""Text: token ids -> learned vectors, one for a set of n-grams, or the ids themselves."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.text.spec import TextSpec
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import in_float32, valid

WIDTH = {"tiny": 64, "small": 128, "base": 256}


class Ids(nn.Module):
    """Token ids unchanged, for a pretrained encoder, which has its own embeddings."""

    layout = "ids"

    def __init__(self, spec: TextSpec, column: Column):
        super().__init__()

    def forward(self, field: Field) -> Features:
        return Features(field.values.long(), valid(field.lengths, field.values.shape[1]))


class TextFrontend(nn.Module):
    layout = "tokens"

    def __init__(self, spec: TextSpec, column: Column):
        super().__init__()
        self.features = WIDTH[
            "small" if spec.encoder.own else getattr(spec.encoder, "size", "small")
        ]
        self.token_dropout = spec.augment.token_dropout
        self.together = spec.tokenizer == "ngram"
        self.embed = nn.Embedding(int(column.state["vocab_size"]), self.features)
        nn.init.normal_(self.embed.weight, std=0.1)

    @in_float32
    def forward(self, field: Field) -> Features:
        keep = valid(field.lengths, field.values.shape[1])  # [B, T]
        shown = keep
        if self.training and self.token_dropout:
            shown = keep & (torch.rand(keep.shape, device=keep.device) >= self.token_dropout)
        if self.together:
            return self.summed(field.values.long(), shown)
        return Features(self.embed(field.values.long()) * shown[..., None], keep)

    def summed(self, ids: Tensor, shown: Tensor) -> Features:
        """One token: the vectors' sum over the square root of their number, which keeps its scale
        at any length (`sqrtn` of TensorFlow's `embedding_lookup_sparse`). x [B, 1, D]."""
        weight = shown.to(self.embed.weight.dtype)
        if torch.compiler.is_exporting():  # to plain operations
            total = (self.embed(ids) * weight[..., None]).sum(1)
        else:  # without the vectors of all n-grams in memory
            total = F.embedding_bag(ids, self.embed.weight, mode="sum", per_sample_weights=weight)
        x = total / weight.sum(1, keepdim=True).clamp(min=1).sqrt()
        return Features(x[:, None], torch.ones_like(x[:, :1], dtype=torch.bool))
