"""Infer audio columns, and the rate and length that suit them."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mmbm.kinds.audio.files import Sound
from mmbm.kinds.guess import ColumnGuess, Options

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

QUIET = 2**-13
"""A 32-bit peak below this: the samples have the scale of 16 bits, or less."""
LOUD = 8.0
"""A float peak above this is no overload, but another scale."""
LEAST_ROWS = 3000
"""Train rows from which a larger encoder than tiny learns more."""
RATE = 16000
"""Sampling rate of Whisper."""
LONGEST = 10.0
"""Seconds: longer clips take too long to encode."""


def infer(sample: "Sample") -> ColumnGuess | None:
    sounds = {i: seen for i, seen in sample.files.seen.items() if isinstance(seen, Sound)}
    if not sounds:
        return None
    rate = Counter(s.rate for s in sounds.values()).most_common(1)[0][0]
    lengths = np.array([s.seconds for s in sounds.values()])
    long = float(np.quantile(lengths, 0.99))
    step = 0.5 if long < 5 else 1.0
    seconds = float(np.clip(np.ceil(long / step - 0.02) * step, 0.5, 30))
    options: Options = {"sample_rate": min(rate, 16000), "seconds": seconds}
    gain, notes = _gain([*sounds.values()]), ()
    if gain != 1:
        options["gain"] = gain
        scale = "far beyond" if gain < 1 else "far below"
        notes = (
            f"{sample.name}: its samples are {scale} full scale, so gain: {gain:.12g} scales them.",
        )
    why = f"sounds of {lengths.min():.1f} to {lengths.max():.1f} s at {rate} Hz"
    why += f"; the first {seconds:g} s are heard" if long > seconds else ""
    return ColumnGuess(
        "audio", why + sample.files.unread(), options,
        notes=(*sample.files.notes(sample.name), *notes), may_share=True,
        seconds={i: s.seconds for i, s in sounds.items()}, few_rows=few_rows, frozen=frozen,
    )  # fmt: skip


def _gain(sounds: list[Sound]) -> float:
    """Factor that scales samples to full scale; 1 if the scale is correct."""
    peak = max(s.peak for s in sounds)
    subtypes = {s.subtype for s in sounds}
    if subtypes <= {"FLOAT", "DOUBLE"} and peak > LOUD:
        return 1 / next((full for full in (2.0**15, 2.0**23) if peak <= full), 2.0**31)
    if subtypes <= {"PCM_32", "PCM_24"} and 0 < peak < QUIET:
        return 2.0**16 if subtypes == {"PCM_32"} else 2.0**8
    return 1.0


def few_rows(options: Options, rows: int, long: bool) -> Options:
    """With few rows a small encoder learns as much, in less than half of the time."""
    if rows >= LEAST_ROWS or long or "encoder" in options:
        return options
    return {**options, "encoder": {"kind": "cnn", "size": "tiny"}}


def frozen(guess: ColumnGuess, sample: "Sample") -> Options | None:
    """Padded to the clips' own length instead of 30 s; not for long ones."""
    seconds = guess.options["seconds"]
    if seconds > LONGEST:
        return None
    return {**guess.options, "sample_rate": RATE, "encoder": {"pad_to_seconds": seconds}}
