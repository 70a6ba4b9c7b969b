"""Text generation head, token by token."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.text.spec import TextTarget
from mmbm.layers.batch import Context, Field, Prefix, Tokens
from mmbm.layers.blocks import Sinusoids, valid
from mmbm.layers.target import Parts
from mmbm.registry import DECODERS, find


class TextHead(nn.Module):
    """Fused tokens [B, T, D] -> the prefix of a decoder, which `mmbm.inference.generation` runs.

    It is a complete target: the decoder's prefix is the fused vector and all fused tokens, each
    marked with its modality and its position.
    """

    def __init__(self, spec: TextTarget, column: Column, parts: Parts):
        super().__init__()
        width, modalities = parts.width, parts.modalities
        self.weight, self.modalities = spec.weight, modalities
        self.decoder = find(DECODERS[spec.decoder.kind])(spec.decoder, column.state)
        self.summary = nn.Linear(width, self.decoder.width)
        self.project = nn.Linear(width, self.decoder.width)
        self.kinds = nn.Parameter(0.02 * torch.randn(len(modalities), self.decoder.width))
        self.places = Sinusoids(self.decoder.width)

    def forward(self, context: Context) -> Prefix:
        return self.decoder.read(self.prefix(context))

    def prefix(self, context: Context) -> Tokens:
        fused = context.fused
        assert fused is not None
        lengths = [context.inputs[name].x.shape[1] for name in self.modalities]
        marks = [kind + self.places(n) for kind, n in zip(self.kinds, lengths)]  # each [T, D]
        x, keep = fused.tokens
        x = (self.project(x) + torch.cat(marks)) * keep[..., None]
        first = torch.ones_like(keep[:, :1])
        return Tokens(
            torch.cat([self.summary(fused.pooled)[:, None], x], 1), torch.cat([first, keep], 1)
        )

    def loss(self, context: Context, target: Field, unimodal_loss_weight: float) -> Tensor:
        """Mean over the rows that have a text, of the cross-entropy per token of it. Scalar."""
        ids = target.values.long()
        given, wanted = ids[:, :-1], ids[:, 1:]
        places = torch.arange(given.shape[1], device=ids.device)
        logits, _ = self.decoder.write(*self(context), given, places)
        loss = F.cross_entropy(logits.float().transpose(1, 2), wanted, reduction="none")
        counts = valid(target.lengths - 1, given.shape[1]) & target.present[:, None]
        rows = (loss * counts).sum(1) / counts.sum(1).clamp(min=1)
        return self.weight * rows.sum() / target.present.sum().clamp(min=1)

    def loss_mask(self, target: Field, batch: dict[str, Field]) -> Tensor:
        """The rows that the loss averages [B]."""
        return target.present

    def step(
        self, token: Tensor, place: Tensor, cache: Tensor, keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A token [B] per row at its position [B] -> logits of the next [B, V], extended cache."""
        logits, cache = self.decoder.write(cache, keep, token[:, None], place[:, None])
        return logits[:, 0].float(), cache
