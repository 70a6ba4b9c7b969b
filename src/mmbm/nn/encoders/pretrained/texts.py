"""Pretrained text models of Hugging Face, of BERT's family, with their own tokenizer's ids."""

from typing import Any

from mmbm.kinds.column import State
from mmbm.layers.batch import Features, Tokens
from mmbm.nn.pretrained import Pretrained, opened
from mmbm.specs.encoders import PretrainedSpec

BLOCKS = {"distilbert": "transformer.layer"}


class Text(Pretrained):
    """BERT (Devlin et al. 2019) and models with the same interface; all their tokens are kept,
    including those that begin and end a text."""

    def __init__(self, spec: PretrainedSpec, learned: State):
        body = opened(spec, learned["config"])
        if hasattr(body, "pooler"):
            body.pooler = None  # a vector of the whole text, which is not used here
        kind = learned["config"]["model_type"]
        super().__init__(spec, body, BLOCKS.get(kind, "encoder.layer"))
        config: Any = body.config
        self.width, self.padding = config.hidden_size, config.pad_token_id or 0

    def forward(self, features: Features) -> Tokens:
        ids, keep = features  # [B, T], [B, T]
        assert keep is not None
        ids = ids.masked_fill(~keep, self.padding)  # some derive positions from it
        x = self.body(input_ids=ids, attention_mask=keep).last_hidden_state  # [B, T, D]
        return Tokens(x * keep[..., None], keep)
