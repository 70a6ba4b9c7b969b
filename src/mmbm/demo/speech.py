"""Speech synthesis by espeak-ng, an open-source synthesizer in a wheel (espeakng-loader)."""

import ctypes
import multiprocessing
import wave
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from mmbm.errors import MmbmError

ACCENTS = {
    "en": ("en", "en-us", "en-gb-scotland", "en-gb-x-rp"),
    "cmn": ("cmn",),
}
NAMES = (
    "f1 f4 m1 m2 m3 m4 m5 m6 m7 m8 klatt klatt2 klatt3 Alex Andrea Andy Annie Denis Diogo Gene "
    "Henrique Hugo Jacky Lee Mario Michael Mike Nguyen adam anika announcer antonio aunty "
    "belinda benjamin boris david ed edward grandma grandpa gustave ian iven john linda marcelo "
    "max michel miguel norbert pablo paul pedro quincy rob robert shelby steph travis"
)
VOICES = tuple(NAMES.split())
"""espeak-ng's variants with human-like voices. Whispers, robots, cartoons and twins are left out,
and those with `breath` in their file, whose output is not reproducible."""

# Values of espeak-ng's speak_lib.h.
SYNCHRONOUS, CHARACTERS, UTF8, RATE, PITCH = 2, 1, 1, 1, 3
QUIET = 0.01
"""Relative to a clip's peak: fainter samples at its ends are silence."""


class Utterance(NamedTuple):
    file: str  # where its wav goes
    text: str  # in the language of the voice
    voice: str  # accent+variant, as espeak-ng names it
    rate: int  # words per minute
    pitch: int  # 0 to 100; 50 is usual


def language_of(voice: str) -> str:
    return next(k for k, accents in ACCENTS.items() if voice.partition("+")[0] in accents)


def speak(utterances: Iterable[Utterance]) -> None:
    """Write every utterance's wav.

    In a process of its own: espeak-ng's noise depends on earlier speech, and only a fresh library
    gives a reproducible output.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as process:
        process.submit(write_all, list(utterances)).result()


def write_all(utterances: list[Utterance]) -> None:
    espeak = Espeak()
    for one in utterances:
        samples = espeak.say(one.text, one.voice, one.rate, one.pitch)
        with wave.open(one.file, "wb") as file:
            file.setparams((1, 2, espeak.hertz, 0, "NONE", ""))  # one channel of two bytes
            file.writeframes(trim(samples).astype("<i2").tobytes())


def trim(samples: np.ndarray) -> np.ndarray:
    level = np.abs(samples.astype(np.int32))
    loud = np.flatnonzero(level > QUIET * level.max(initial=1))
    return samples[loud[0] : loud[-1] + 1]


class Espeak:
    def __init__(self) -> None:
        import espeakng_loader

        try:
            self.library = ctypes.CDLL(espeakng_loader.get_library_path())
            data = espeakng_loader.get_data_path()
        except (OSError, RuntimeError) as error:
            raise MmbmError(f"espeak-ng, which speaks, can't be loaded: {error}") from error
        self.hertz = self.library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), 0)
        if self.hertz <= 0:
            raise MmbmError(f"espeak-ng, which speaks, can't start from {data}.")
        self.parts: list[np.ndarray] = []
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self.callback = kind(self.receive)  # espeak-ng calls it later: it must stay alive
        self.library.espeak_SetSynthCallback(self.callback)

    def receive(self, samples, count: int, events) -> int:
        if samples and count > 0:
            self.parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0  # go on

    def say(self, text: str, voice: str, rate: int, pitch: int) -> np.ndarray:
        """int16 samples at `hertz`."""
        self.parts.clear()
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise MmbmError(f"This espeak-ng has no voice {voice!r}.")
        self.library.espeak_SetParameter(RATE, rate, 0)
        self.library.espeak_SetParameter(PITCH, pitch, 0)
        raw = text.encode() + b"\0"
        self.library.espeak_Synth(raw, len(raw), 0, CHARACTERS, 0, UTF8, None, None)
        return np.concatenate(self.parts)
