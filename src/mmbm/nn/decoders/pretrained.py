"""A pretrained causal language model: any architecture of transformers whose logits are reproduced
here."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from mmbm.errors import ConfigError
from mmbm.kinds.column import State
from mmbm.kinds.text.column import OURS, START_ID
from mmbm.kinds.text.spec import PretrainedDecoderSpec
from mmbm.layers.batch import Prefix, Tokens
from mmbm.nn.pretrained import Pretrained, opened

NEVER = -1e9
"""The logit of an id that is never generated: the start token, and the end of a text under the
model's own id for it."""
NEEDED = {"inputs_embeds", "attention_mask", "position_ids", "cache"}
"""Arguments that a model must accept."""
LIMITS = ("max_position_embeddings", "sliding_window")
"""Keys of a model's config: the number of tokens it has positions for, or attends to."""
CLOSE = 1e-3
"""Maximum difference of a logit from the model's own, relative to the spread of its logits."""


class PretrainedDecoder(Pretrained):
    """`read` a prefix, then `write` after it with causal attention. The prefix takes the place of
    the user's message in the model's chat template (LLaVA, Liu et al. 2023), and its tokens are
    scaled to the norm of the model's own embeddings.

    Ids are those of a text column: 0 ends a text, 1 starts it, and the model's own follow.
    """

    body: Any
    opening: Tensor
    closing: Tensor
    codes: Tensor
    closed: Tensor
    scale: Tensor

    def __init__(self, spec: PretrainedDecoderSpec, learned: State):
        known = learned["pretrained"]
        body = opened(spec, known["config"], "AutoModelForCausalLM")
        if not inspect.signature(body.forward).parameters.keys() >= NEEDED:
            raise unfit(body)
        super().__init__(spec, body, blocks(body))
        weight = body.get_input_embeddings().weight
        vocab_size, self.width = weight.shape
        limits = (getattr(body.config, name, None) for name in LIMITS)
        self.limit = min((limit for limit in limits if limit), default=None)
        self.register_buffer("scale", weight.detach().std())
        codes = torch.tensor([known["end"], known["start"], *range(vocab_size)])
        closed = torch.zeros(len(codes))
        closed[[START_ID, OURS + known["end"]]] = NEVER
        for name, fixed in (("codes", codes), ("closed", closed)):
            self.register_buffer(name, fixed, persistent=False)
        for name in ("opening", "closing"):
            ids = torch.tensor(known[name], dtype=torch.int64)
            self.register_buffer(name, ids, persistent=False)
        self.shape = self.check()  # of its cache: layers, 2, heads, D/h

    def read(self, prefix: Tokens) -> Prefix:
        """A prefix [B, P, D] -> its cache, with the chat template around it."""
        embed, real = self.body.get_input_embeddings(), prefix.keep[:, :1]  # its first one is
        around = [embed(ids).expand(real.shape[0], -1, -1) for ids in (self.opening, self.closing)]
        kept = [real.expand(-1, len(ids)) for ids in (self.opening, self.closing)]
        x = torch.cat([around[0], prefix.x * self.scale, around[1]], 1)
        keep = torch.cat([kept[0], prefix.keep, kept[1]], 1)
        places = (keep.long().cumsum(1) - 1).clamp(min=0)
        _, cache = self.run(self.body.base_model, x, keep, places)
        return Prefix(cache, keep)

    def write(
        self, cache: Tensor, keep: Tensor, ids: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Token ids [B, T], at positions [T] or [B, T], after a cache with valid positions `keep`
        [B, S] -> logits of each next token [B, T, V], and the extended cache."""
        x = self.body.get_input_embeddings()(self.codes[ids])
        behind = keep.sum(1, keepdim=True) + places - places[..., :1]
        keep = torch.cat([keep, torch.ones_like(ids, dtype=torch.bool)], 1)
        out, cache = self.run(self.body, x, keep, behind, cache)
        return out.logits[..., self.codes] + self.closed, cache

    def run(
        self, part: Any, x: Tensor, keep: Tensor, places: Tensor, cache: Tensor | None = None
    ) -> tuple[Any, Tensor]:
        """Embeddings x [B, T, D] at positions [B, T], the last of the positions whose mask is
        `keep` [B, S+T] -> the output of the model's body, and the extended cache."""
        from transformers import DynamicCache

        length, size = x.shape[1], keep.shape[1]
        self.check_length(size)
        past = DynamicCache()
        for i, (keys, values) in enumerate(() if cache is None else pairs(cache)):
            past.update(keys, values, i)
        seen = torch.ones(size, size, dtype=torch.bool, device=x.device).tril()[size - length :]
        hidden = ~(seen & keep[:, None])[:, None]  # [B, 1, T, S+T]
        mask = torch.zeros_like(hidden, dtype=x.dtype).masked_fill(hidden, torch.finfo(x.dtype).min)
        out = part(
            inputs_embeds=x, attention_mask=mask, position_ids=places, use_cache=True, cache=past
        )
        layers: Any = past.layers
        grown = [torch.stack([layer.keys, layer.values], 1) for layer in layers]
        return out, torch.stack(grown, 1)

    def linear(self) -> list[str]:
        from transformers.pytorch_utils import Conv1D  # a linear layer, as in GPT-2

        head = self.body.get_output_embeddings()
        parts = self.body.named_modules()
        return [n for n, m in parts if isinstance(m, nn.Linear | Conv1D) and m is not head]

    def check_length(self, size: int) -> None:
        """Raises ConfigError if there are not enough positions for so many tokens."""
        if self.limit and not torch.compiler.is_exporting() and size > self.limit:
            raise ConfigError(
                f"The decoder's model has {self.limit} places, and a row has {size} tokens with "
                "its text. Give its inputs fewer (max_tokens, seconds, size), or take another "
                "model."
            )

    @torch.no_grad()
    def check(self) -> tuple[int, ...]:
        """The shape of its cache without rows and length. Raises ConfigError if padding between
        tokens, or a text in two parts, changes the logits compared with the model's own."""
        training = self.training
        self.eval()
        embed = self.body.get_input_embeddings()
        given = torch.tensor([[2, 3, 4]]) + OURS
        text = embed(
            torch.cat([self.opening, torch.tensor([0, 1]), self.closing, self.codes[given[0]]])
        )
        own = self.body(inputs_embeds=text[None]).logits[0, -1]
        x = embed(torch.tensor([[0, 5, 5, 1]])) / self.scale
        prefix = self.read(Tokens(x, torch.tensor([[True, False, False, True]])))
        _, cache = self.write(*prefix, given[:, :1], torch.zeros(1, dtype=torch.int64))
        keep = torch.cat([prefix.read, torch.ones(1, 1, dtype=torch.bool)], 1)
        logits, cache = self.write(cache, keep, given[:, 1:], torch.arange(1, 3))
        open_ = self.closed == 0
        ours, own = logits[0, -1, open_], own[self.codes[open_]]
        if not (ours - own).abs().max() <= CLOSE * own.std():
            raise unfit(self.body)
        self.train(training)
        return (*cache.shape[1:4], cache.shape[5])


def unfit(body: Any) -> ConfigError:
    return ConfigError(
        f"decoder.model: a {body.config.model_type!r} model can't be told which of its tokens are "
        "real and where they stand, so it would not say here what it says by itself. Take one of "
        "another architecture, such as llama, qwen2 or gpt2."
    )


def pairs(cache: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Keys and values [B, h, S, D/h] of every layer."""
    return [(layer[:, 0], layer[:, 1]) for layer in cache.unbind(1)]


def blocks(body: Any) -> str:
    """The name of its list of layers."""
    count = body.config.get_text_config().num_hidden_layers
    lists = {name: m for name, m in body.named_modules() if isinstance(m, nn.ModuleList)}
    return next(name for name, layers in lists.items() if len(layers) == count)
