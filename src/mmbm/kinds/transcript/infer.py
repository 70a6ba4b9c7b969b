"""Infer transcript targets: many texts, beside an audio input."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmbm.kinds.guess import ColumnGuess

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample


def infer_target(sample: "Sample") -> ColumnGuess:
    why = f"{sample.distinct} different values in {len(sample.values)} rows"
    return ColumnGuess("transcript", why, hear=hear)


def hear(given: ColumnGuess) -> ColumnGuess | None:
    """An audio input that is read whole: longer clips are refused instead of cropped."""
    if given.traits.media != "audio/*":
        return None
    seconds = float(np.ceil(1.5 * given.options["seconds"]))
    whole = {"seconds": seconds, "max_seconds": seconds}
    encoder = {"encoder": {"kind": "rnn", "size": "base"}}
    return replace(given, options={**given.options, **whole, **encoder})
