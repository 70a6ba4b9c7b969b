"""Pretrained image models: Hugging Face's, timm's, and EfficientNet-Lite."""

import inspect
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from mmbm.errors import ConfigError, MissingExtra
from mmbm.kinds.column import State
from mmbm.kinds.pretrained import WEIGHTS
from mmbm.layers.batch import Features, Tokens
from mmbm.nn.encoders.pretrained.lite import EfficientNetLite, load_weights
from mmbm.nn.pretrained import Pretrained, check_fit, opened
from mmbm.specs.encoders import PretrainedSpec

BLOCKS = {"vit": "layers", "dinov2": "encoder.layer"}
BLOCKS_OF_TIMM = ("blocks", "stages", "layers")
LAYERS = ("layer1", "layer2", "layer3", "layer4")


class Picture(Pretrained):
    """Vision transformers (Dosovitskiy et al. 2021), whose first token is of the whole image, and
    residual and ConvNeXt networks, with a token for each position of the last map."""

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
    """EfficientNet-Lite0, as `mmbm import-weights` writes it; a token for each position of its last
    map of 1280 channels."""

    def __init__(self, spec: PretrainedSpec, learned: State):
        body = EfficientNetLite()
        if spec.model is not None:
            check_fit(Path(spec.model), *load_weights(body, Path(spec.model) / WEIGHTS))
        super().__init__(spec, body, "blocks")
        self.width = body.width

    def forward(self, features: Features) -> Tokens:
        return tokens(self.body(features.x))


class Timm(Pretrained):
    """A network of timm (Wightman 2019) without its head; a token for each of its tokens, or for
    each position of its last map."""

    def __init__(self, spec: PretrainedSpec, learned: State):
        body = opened_timm(spec, learned["config"])
        there = dict(body.named_children())
        last = [name for name in LAYERS if name in there][-1:]  # of a residual network
        if not (named := [name for name in (*BLOCKS_OF_TIMM, *last) if name in there]):
            raise ConfigError(
                f"{spec.model}: {learned['config']['architecture']} has no list of blocks named "
                f"{', '.join(BLOCKS_OF_TIMM)} or {LAYERS[0]}: this network isn't supported."
            )
        super().__init__(spec, body, named[0])
        self.width = body.num_features
        self.channels_last = getattr(body, "output_fmt", "NCHW") == "NHWC"

    def layers(self) -> list[nn.Module]:
        if self.blocks not in LAYERS:
            return super().layers()
        return [part for name, part in self.body.named_children() if name in LAYERS]

    def forward(self, features: Features) -> Tokens:
        body: Any = self.body
        x = body.forward_features(features.x)
        if not isinstance(x, torch.Tensor):
            raise ConfigError("A network of timm's that sees in several parts isn't supported.")
        return tokens(x.permute(0, 3, 1, 2) if self.channels_last else x)


def opened_timm(spec: PretrainedSpec, config: dict[str, Any]) -> Any:
    try:
        import timm  # type: ignore[import-not-found]
    except ModuleNotFoundError as error:
        raise MissingExtra("A model of timm's", "timm") from error
    name, options = config["architecture"], config["options"]
    if not timm.is_model(name):
        raise ConfigError(f"{spec.model}: timm {timm.__version__} has no model {name!r}.")
    if odd := sorted(options.keys() & inspect.signature(timm.create_model).parameters):
        raise ConfigError(f"{spec.model}: its config.json may not say {odd[0]} in model_args.")
    options = {**options, "num_classes": 0, "in_chans": config["num_channels"]}
    try:
        body = timm.create_model(name, **options)
    except TypeError as error:
        raise ConfigError(
            f"{spec.model}: {name} can't be made by its model_args: {error}"
        ) from error
    if spec.model is not None:
        theirs, ours = load_file(Path(spec.model) / WEIGHTS), body.state_dict()
        there = {n: theirs[n] for n in ours.keys() & theirs.keys()}  # its head is not used
        other = sorted(n for n, tensor in there.items() if tensor.shape != ours[n].shape)
        check_fit(Path(spec.model), sorted(ours.keys() - theirs.keys()), other)
        body.load_state_dict(there)
    return body


def tokens(x: torch.Tensor) -> Tokens:
    """Tokens [B, T, D], or a map [B, D, h, w], as tokens."""
    if x.ndim == 4:
        x = x.flatten(2).transpose(1, 2)
    return Tokens(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))
