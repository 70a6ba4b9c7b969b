"""Bag of words: a text as the set of its words, without order, which overfits little with few rows.

Pooling their vectors afterwards is fastText (Joulin et al. 2017), the dense layers of the fusion on
top of it a deep averaging network (Iyyer et al. 2015).
"""

from torch import nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Features, Layout, Tokens
from mmbm.specs.encoders import BagSpec


class Bag(nn.Module):
    def __init__(self, spec: BagSpec, layout: Layout, features: int):
        super().__init__()
        if layout != "tokens":
            raise ConfigError(
                f"encoder bag reads text, not {layout}; cnn and transformer read that too."
            )
        self.width = features
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, features: Features) -> Tokens:
        x, keep = features  # [B, T, F], [B, T]
        assert keep is not None
        return Tokens(self.dropout(x) * keep[..., None], keep)
