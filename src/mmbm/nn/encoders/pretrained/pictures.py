"""Models of pictures: Hugging Face's, and EfficientNet-Lite."""

from pathlib import Path
from typing import Any

import torch

from mmbm.columns import State
from mmbm.columns.pretrained import WEIGHTS
from mmbm.config import PretrainedSpec
from mmbm.nn.batch import Features, Tokens
from mmbm.nn.encoders.pretrained.lite import EfficientNetLite, load_weights
from mmbm.nn.pretrained import Pretrained, check_fit, opened

BLOCKS = {"vit": "layers", "dinov2": "encoder.layer"}


class Picture(Pretrained):
    """Vision transformers (Dosovitskiy et al. 2021), whose first token is of the whole picture, and
    residual and ConvNeXt networks, a token for each place of whose last map."""

    def __init__(self, spec: PretrainedSpec, learned: State):
        body = opened(spec, learned["config"])
        kind = learned["config"]["model_type"]
        blocks = BLOCKS.get(kind, "encoder.stages")
        if kind == "vit":
            body.pooler = None
        super().__init__(spec, body, blocks)
        config: Any = body.config
        self.width = config.hidden_size if kind in BLOCKS else config.hidden_sizes[-1]

    def forward(self, features: Features) -> Tokens:
        return tokens(self.body(pixel_values=features.x).last_hidden_state)


class Lite(Pretrained):
    """EfficientNet-Lite0, as `mmbm import-weights` writes it; a token for each place of its last
    map of 1280 channels."""

    def __init__(self, spec: PretrainedSpec, learned: State):
        body = EfficientNetLite()
        if spec.model is not None:
            check_fit(Path(spec.model), *load_weights(body, Path(spec.model) / WEIGHTS))
        super().__init__(spec, body, "blocks")
        self.width = body.width

    def forward(self, features: Features) -> Tokens:
        return tokens(self.body(features.x))


def tokens(x: torch.Tensor) -> Tokens:
    """Tokens [B, T, D], or a map [B, D, h, w], as tokens."""
    if x.ndim == 4:
        x = x.flatten(2).transpose(1, 2)
    return Tokens(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))
