"""The demo's dataset, an ordinary folder: config.yaml · data.csv · media/*.png · media/*.wav.

A row is a handwritten digit, a spoken digit, a question about the two and its answer. The same rows
and seed make the same folder. No handwritten original and no voice is in two splits.
"""

import csv
import io
import shutil
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmbm.demo.questions import OPERATIONS
from mmbm.demo.speech import ACCENTS, VOICES, Utterance, language_of, speak
from mmbm.errors import MmbmError
from mmbm.files import written

PARTS = {"train": 0.8, "valid": 0.08, "test": 0.12}
"""Fractions of the rows, of the handwritten originals and of the voices."""
WORDS = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "cmn": tuple("零一二三四五六七八九"),
}
SIDE = 32  # pixels; the originals have 8
CONFIG = Path(__file__).with_name("config.yaml")


class Row(NamedTuple):
    """A line of data.csv. The config doesn't show the model the columns after `split`."""

    picture: str
    sound: str
    question: str
    answer: int
    split: str
    seen: int
    heard: int
    original: int  # number of the handwritten digit in scikit-learn's set
    voice: str  # of espeak-ng, accent+variant


def make(folder: Path, rows: int, seed: int) -> list[Row]:
    """Write the folder, unless it already holds exactly these rows. Returns them in table order."""
    generator = np.random.default_rng(seed)
    originals, digit_of = digits()
    drawn = draw(rows, digit_of, generator)
    table = as_csv(drawn)
    if not made_here(folder):
        raise MmbmError(f"{folder} holds other files. Give the demo a new one: mmbm demo --folder")
    if not (folder / "data.csv").exists() or (folder / "data.csv").read_bytes() != table:
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        (part / "media").mkdir(parents=True)
        for row in drawn:
            handwriting(originals[row.original], generator).save(part / row.picture)
        speak(utterance(part, row, generator) for row in drawn)
        (part / "data.csv").write_bytes(table)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    with written(folder / "config.yaml") as part:
        shutil.copyfile(CONFIG, part)
    return drawn


def made_here(folder: Path) -> bool:
    """The folder is empty, or holds an earlier demo, which may be replaced."""
    if not folder.exists() or not any(folder.iterdir()):
        return True
    try:
        with (folder / "data.csv").open(encoding="utf-8") as file:
            return file.readline().strip() == ",".join(Row._fields)
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def as_csv(rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([Row._fields, *rows])
    return text.getvalue().encode()


def digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 handwritten digits [N, 8, 8], ink 0 to 16, and their labels.

    By Alpaydin and Kaynak (1998), in scikit-learn.
    """
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return loaded.images, loaded.target  # type: ignore[attr-defined]


def draw(rows: int, digit_of: np.ndarray, generator: np.random.Generator) -> list[Row]:
    """Every operation on every pair of digits equally often in each split, as far as possible."""
    originals = divide(np.arange(len(digit_of)), generator)
    voices = divide(np.array(VOICES), generator)
    every = list(product(OPERATIONS.values(), range(10), range(10)))
    drawn: list[Row] = []
    for split, part in PARTS.items():
        for i in range(max(1, round(rows * part))):
            if i % len(every) == 0:
                order = generator.permutation(len(every))
            operation, seen, heard = every[order[i % len(every)]]
            own = originals[split]
            language = generator.choice(list(ACCENTS))
            phrasings = operation.english if generator.random() < 0.5 else operation.chinese
            drawn.append(
                Row(
                    picture=f"media/{len(drawn):05}.png",
                    sound=f"media/{len(drawn):05}.wav",
                    question=str(generator.choice(phrasings)),
                    answer=operation.answer(seen, heard),
                    split=split,
                    seen=seen,
                    heard=heard,
                    original=int(generator.choice(own[digit_of[own] == seen])),
                    voice=f"{generator.choice(ACCENTS[language])}+{generator.choice(voices[split])}",
                )
            )
    return drawn


def divide(items: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Each item to one split."""
    ends = np.cumsum([round(len(items) * part) for part in PARTS.values()])[:-1]
    return dict(zip(PARTS, np.split(generator.permutation(items), ends)))


def handwriting(original: np.ndarray, generator: np.random.Generator) -> Image.Image:
    """An 8×8 original as an image of SIDE pixels: slightly rotated, shifted, paler, noisy."""
    ink = Image.fromarray((original * (255 / 16)).astype(np.uint8))
    ink = ink.resize((SIDE - 4, SIDE - 4), Image.Resampling.BICUBIC)
    paper = Image.new("L", (SIDE, SIDE))
    paper.paste(ink, (2, 2))
    move = tuple(generator.integers(-2, 3, 2).tolist())
    turned = paper.rotate(generator.uniform(-10, 10), Image.Resampling.BILINEAR, translate=move)
    grain = generator.normal(0, 8, (SIDE, SIDE))
    pixels = 245 - generator.uniform(0.7, 0.9) * np.asarray(turned) + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def utterance(folder: Path, row: Row, generator: np.random.Generator) -> Utterance:
    rate, pitch = generator.integers(140, 200), generator.integers(35, 66)
    word = WORDS[language_of(row.voice)][row.heard]
    return Utterance(str(folder / row.sound), word, row.voice, int(rate), int(pitch))
