"""The demo's dataset, an ordinary folder: data.csv · media/*.png · media/*.wav · config.yaml.

A row is a handwritten digit, a spoken digit, a question about the two and its answer. The same seed
makes the same folder. No picture's original and no voice is in two splits.
"""

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmbm.demo.questions import OPERATIONS
from mmbm.demo.speech import ACCENTS, VOICES, Utterance, speak
from mmbm.errors import MissingExtra

PARTS = {"train": 0.8, "valid": 0.08, "test": 0.12}
SIDE = 32  # pixels


class Row(NamedTuple):
    """A line of data.csv. `seen` to `voice` tell how it was made; the config gives no model them."""

    picture: str
    sound: str
    question: str
    answer: int
    split: str
    seen: int
    heard: int
    original: int  # index of the handwritten digit in scikit-learn's set
    voice: str
