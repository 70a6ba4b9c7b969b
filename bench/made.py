"""Cells made on the spot: pictures, sounds and sentences that cost what real ones cost."""

from io import BytesIO

import numpy as np
import soundfile
from PIL import Image

WORDS = ["the", "a", "red", "green", "blue", "round", "square", "old", "large", "lamp", "door"]


def picture(generator: np.random.Generator, width: int, height: int, kind: str) -> bytes:
    """Smooth shapes with a little grain, so that a JPEG has the size of a photo's."""
    coarse = generator.integers(0, 255, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = np.asarray(smooth, np.int16) + generator.integers(-8, 9, (height, width, 3))
    file = BytesIO()
    Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def sound(generator: np.random.Generator, seconds: float, rate: int, kind: str = "WAV") -> bytes:
    """A chord with noise."""
    time = np.arange(int(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * f * time) for f in generator.uniform(100, 3000, 4))
    file = BytesIO()
    soundfile.write(file, 0.1 * wave + generator.normal(0, 0.02, len(time)), rate, format=kind)
    return file.getvalue()


def sentence(generator: np.random.Generator, longest: int = 24) -> str:
    return " ".join(generator.choice(WORDS, generator.integers(4, longest)))
