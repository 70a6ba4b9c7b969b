"""Hugging Face models of texts, of BERT's family. They read the ids of their own tokenizer."""

from typing import Any

from mmbm.kinds.column import State
from mmbm.layers.batch import Features, Tokens
from mmbm.nn.pretrained import Pretrained, opened
from mmbm.specs.encoders import PretrainedSpec

BLOCKS = {"distilbert": "transformer.layer"}


class Text(Pretrained):
    """BERT (Devlin et al. 2019) and models that are called as it is; all their tokens are kept,
    those that begin and end a text too."""

    def __init__(self, spec: PretrainedSpec, learned: State):
        body = opened(spec, learned["config"])
        if hasattr(body, "pooler"):
            body.pooler = None  # one vector for the whole text, which nothing here reads
        kind = learned["config"]["model_type"]
        super().__init__(spec, body, BLOCKS.get(kind, "encoder.layer"))
        config: Any = body.config
        self.width, self.padding = config.hidden_size, config.pad_token_id or 0

    def forward(self, features: Features) -> Tokens:
        ids, keep = features  # [B, T], [B, T]
        assert keep is not None
        ids = ids.masked_fill(~keep, self.padding)  # some count their positions by it
        x = self.body(input_ids=ids, attention_mask=keep).last_hidden_state  # [B, T, D]
        return Tokens(x * keep[..., None], keep)
