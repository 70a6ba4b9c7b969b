"""Header data of an audio file."""

import re
from io import BytesIO
from typing import NamedTuple

import numpy as np
import soundfile

from mmbm.errors import BadCell
from mmbm.kinds.audio.column import MAX_CHANNELS, read_wave

ENDINGS = re.compile(r"\.(wav|flac|mp3|ogg|opus|m4a|aac|aiff?|au|wma|webm|amr|caf)")
PEAK_OF = 200_000
"""Frames of a clip whose peak is measured: a header may claim any number of them."""


class Sound(NamedTuple):
    rate: int
    seconds: float
    subtype: str = ""  # as libsndfile names how samples are stored: PCM_16, FLOAT
    peak: float = 0.0  # of the first seconds, 1 is full scale


def look(data: bytes) -> Sound | None:
    """Rate and length of an audio file. None: it is no audio. Raises BadCell if it can't be
    read."""
    try:
        with soundfile.SoundFile(BytesIO(data)) as sound:
            heard = sound.channels <= MAX_CHANNELS  # else decoding reports the error
            start = sound.read(PEAK_OF if heard else 0, dtype="float32", always_2d=True)
            peak = float(np.abs(start).max(initial=0))
            return Sound(sound.samplerate, sound.frames / sound.samplerate, sound.subtype, peak)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, ZeroDivisionError):
        try:
            wave, rate = read_wave(BytesIO(data), 600.0, "start")
        except BadCell as error:
            if error.reason == "is not a sound":
                return None
            raise
        return Sound(rate, len(wave) / rate)
