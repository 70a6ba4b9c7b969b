"""A causal transformer, trained from scratch."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.column import State
from mmbm.kinds.text.spec import ScratchDecoderSpec
from mmbm.layers.batch import Prefix, Tokens
from mmbm.layers.blocks import Block, Sinusoids, check_heads

PRESETS = {"tiny": (64, 2, 2), "small": (128, 3, 4), "base": (384, 6, 6)}  # width, layers, heads


class ScratchDecoder(nn.Module):
    """`read` a prefix with full attention, then `write` after it with causal attention (prefix
    language model, Raffel et al. 2020). The keys and values of all tokens are the cache [B, L, 2,
    h, S, D/h]. Weights of input and output are tied (Press & Wolf 2017).
    """

    def __init__(self, spec: ScratchDecoderSpec, learned: State):
        super().__init__()
        width, layers, heads = PRESETS[spec.size]
        self.width = width = spec.width or width
        heads = spec.heads or heads
        check_heads("decoder scratch", width, heads)
        self.shape = (spec.layers or layers, 2, heads, width // heads)
        self.embed = nn.Embedding(learned["vocab_size"], width)
        nn.init.normal_(self.embed.weight, std=width**-0.5)
        self.places = Sinusoids(width)
        self.drop = nn.Dropout(spec.dropout)
        self.blocks: Any = nn.ModuleList(
            Block(width, heads, spec.dropout) for _ in range(self.shape[0])
        )
        self.norm = nn.LayerNorm(width)

    def read(self, prefix: Tokens) -> Prefix:
        """A prefix [B, P, D] -> its cache."""
        x, mask, cache = self.drop(prefix.x), prefix.keep[:, None, None, :], []
        for block in self.blocks:
            x, kept = block.attend(x, mask)
            cache.append(kept)
        return Prefix(torch.stack(cache, 1), prefix.keep)

    def write(
        self, cache: Tensor, keep: Tensor, ids: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Token ids [B, T] at positions [T] or [B, T] after a cache whose valid positions are
        `keep` [B, S] -> logits of each next token [B, T, V], and the extended cache."""
        batch, length = ids.shape
        scale = self.width**0.5  # embeddings are small, since they are the output's weights too
        x = self.drop(self.embed(ids) * scale + self.places.at(places))
        before = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        mask = torch.cat(
            [keep[:, None, :].expand(-1, length, -1), before.expand(batch, -1, -1)], -1
        )[:, None]  # [B, 1, T, S+T]
        grown = []
        for block, past in zip(self.blocks, cache.unbind(1)):
            x, kept = block.attend(x, mask, past)
            grown.append(kept)
        return F.linear(self.norm(x), self.embed.weight), torch.stack(grown, 1)
