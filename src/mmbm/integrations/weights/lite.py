"""EfficientNet-Lite0 (Liu 2020) from the names of efficientnet_lite_pytorch."""

import re
import struct
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmbm.errors import ConfigError
from mmbm.integrations.weights.opened import Model
from mmbm.nn.encoders.pretrained.lite import EfficientNetLite

# Of EfficientNet-Lite: `MEAN_RGB` and `STDDEV_RGB` of its authors' efficientnet_lite_builder.py.
PREPROCESSOR = {
    "image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3, "rescale_factor": 1 / 255,
    "resample": 3, "size": {"height": 224, "width": 224},
}  # fmt: skip
NAMES = (
    (r"^_conv_stem\.", "stem.conv."), (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "head.conv."), (r"^_bn1\.", "head.norm."),
    (r"^_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"^_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.conv."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.norm."),
    (r"^_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.norm."),
)  # fmt: skip
"""From the names of efficientnet_lite_pytorch to those of `EfficientNetLite`."""

DAMAGE = (SafetensorError, UnpicklingError, RuntimeError, EOFError, LookupError, ValueError,
          TypeError, AttributeError, AssertionError, OSError, struct.error)  # fmt: skip
"""Exceptions of reading bytes that are no file of weights."""


def efficientnet(file: Path) -> Model:
    """Raises ConfigError if the weights don't match this model completely."""
    theirs = renamed(opened(file))
    ours = EfficientNetLite().state_dict()
    strange = sorted(set(ours) ^ set(theirs))
    other = [name for name in ours if name in theirs and ours[name].shape != theirs[name].shape]
    if strange or other:
        raise ConfigError(
            f"{file}: its {len(theirs)} weights are not those of efficientnet-lite0, the one model "
            f"that is known by its weights alone: {len(strange)} names and {len(other)} shapes "
            f"differ, among them {(strange or other)[0]}."
        )
    config = {"model_type": "efficientnet-lite0", "num_channels": 3}
    return Model({name: theirs[name] for name in ours}, config, PREPROCESSOR)


def opened(file: Path) -> dict[str, Tensor]:
    """Names and tensors of a file; of a pickle, only if it holds nothing else."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        held = torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{file} can't be opened as weights alone: {first}") from error
    if not isinstance(held, dict) or not all(isinstance(x, Tensor) for x in held.values()):
        raise ConfigError(f"{file} holds more than named weights: save its state_dict() alone.")
    return held


def renamed(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """By our names; without ImageNet's classification layer."""
    ours = {}
    for name, tensor in theirs.items():
        if name.startswith("_fc."):
            continue
        for pattern, ours_name in NAMES:
            name = re.sub(pattern, ours_name, name)
        ours[name] = tensor
    return ours
