"""Registry of kinds of cells, encoders and fusions by name, built-in and from other packages.

All of them are entry points of installed packages: `mmbm.kinds` names a `Kind`; `mmbm.encoders` and
`mmbm.fusions` name a class of options, whose `module` names what is built from them. A part is
imported on first use. A user's own encoder needs no package: the config names it as
`package.module:Class`.
"""

import importlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from mmbm.errors import ConfigError


@dataclass(frozen=True)
class Kind:
    """Registry entry of a kind of cell. Parts are `module:name`; empty: no such part."""

    input: str = ""
    """Its options as an input, a `Spec`."""
    target: str = ""
    """Its options as a target, a `TargetSpec`."""
    column: str = ""
    """Decodes cells: a `mmbm.kinds.column.Column`."""
    frontend: str = ""
    """Decoded cells -> features of a trained encoder, or of a table column: an nn.Module."""
    raw_frontend: str = ""
    """Decoded cells -> the input of a pretrained encoder."""
    representation: str = ""
    """Decoded cells -> fixed features for linear models and trees. For a kind that is a modality of
    its own: a `mmbm.layers.representation.Representation`. For a table column whose decoded cells
    don't suit directly: an nn.Module from `(spec, column)` that takes a Field and returns [B, F],
    zero where the cell is absent."""
    head: str = ""
    """Fused vector -> answer and loss: see `mmbm.layers.target`."""
    answer: str = ""
    """Output -> value, probabilities and metrics: a `mmbm.kinds.answer.Answer`."""
    infer: str = ""
    """Sampled cells -> whether a column is of this kind: `infer(sample)` returns a `ColumnGuess` or
    None. Kinds of other packages are tried first."""
    check: str = ""
    """`check(name, store, rows)` returns messages of `mmbm check` on an input's cells."""
    check_target: str = ""
    """`check(name, spec, inputs, source, stores, train)` returns messages on a target's train rows.
    Raises TableError if nothing can be learned from them."""
    media: str = ""
    """Media type of the files that its cells name or hold, for example image/*."""
    message: str = ""
    """Type of the part of a chat message that a cell may be: text, image_url or input_audio."""
    input_means: str = ""
    """Meaning of the numbers in its decoded cells, for readers of an exported graph."""
    output_means: str = ""
    """Meaning of the numbers in its output."""
    infer_target: str = ""
    """`infer` for a column that is a target."""
    prompt: str = ""
    """Builds the prompt for a language model and parses the reply: a `mmbm.kinds.prompt.Prompt`."""

    def part(self, name: str) -> Any:
        """Import and return a part. Raises LookupError if the kind has none."""
        path = getattr(self, name)
        if not path:
            raise LookupError(f"this kind has no {name}")
        return find(path)


@cache
def kinds() -> dict[str, Kind]:
    found = _loaded("mmbm.kinds")
    for name, one in found.items():
        if not isinstance(one, Kind):
            raise ConfigError(f"The kind {name!r} of a package is no mmbm.registry.Kind: {one!r}.")
    return found


def kind(name: str) -> Kind:
    return kinds()[name]


@cache
def options(group: str) -> dict[str, Any]:
    """The classes of options of encoders (`mmbm.encoders`) or fusions (`mmbm.fusions`), by kind."""
    return _loaded(group)


def _loaded(group: str) -> dict[str, Any]:
    """Raises ConfigError if one of these packages can't be imported."""
    found = {}
    for name, point in _points(group).items():
        try:
            found[name] = point.load()
        except (ImportError, AttributeError) as error:
            if point.value.startswith("mmbm."):
                raise
            package = point.dist.name if point.dist else point.module
            raise ConfigError(
                f"The package {package} names {point.value} as {name!r} of {group}, which can't be "
                f"imported ({error}). Update the package, or uninstall it."
            ) from error
    return found


def _points(group: str) -> dict[str, Any]:
    """Entry points by name, built-in ones first. Raises ConfigError: two use one name."""
    found = sorted(entry_points(group=group), key=lambda p: not p.value.startswith("mmbm."))
    points: dict[str, Any] = {}
    for point in found:
        other = points.setdefault(point.name, point)
        if other.value != point.value:
            raise ConfigError(
                f"Two installed packages have {group} of the name {point.name!r}: {other.value} "
                f"and {point.value}. Uninstall one of them."
            )
    return points


MEMBERS = {
    "linear": "mmbm.nn.members.linear:Linear",
    "boosting": "mmbm.nn.members.boosting:Boosting",
    "forest": "mmbm.nn.members.forest:Forest",
}
"""Suffixes of a target's answer that don't come from the network."""
DECODERS = {
    "scratch": "mmbm.nn.decoders.scratch:ScratchDecoder",
    "pretrained": "mmbm.nn.decoders.pretrained:PretrainedDecoder",
}
RUNNERS = {
    "onnx": "mmbm.inference.runners.onnx:OnnxRunner",
    "openvino": "mmbm.inference.runners.openvino:OpenVINORunner",
    "litert": "mmbm.inference.runners.litert:LiteRTRunner",
}
EXPORTS = {
    "onnx": "mmbm.export.precision:convert",
    "openvino": "mmbm.export.openvino:convert",
    "litert": "mmbm.export.litert:convert",
}


def find(path: str) -> Any:
    """The object that `module:name` names. Raises ConfigError if it doesn't exist."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        ours = module.startswith("mmbm.")
        if ours or not (module + ".").startswith(f"{error.name}."):
            raise  # a package that the user's own module lacks: its own message is the clearest
        raise ConfigError(
            f"{path!r}: there is no module {module!r}. Write package.module:Class, and make sure "
            "the package can be imported from here."
        ) from error
    except AttributeError as error:
        raise ConfigError(f"{path!r}: module {module!r} has no {name!r}.") from error
