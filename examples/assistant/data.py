"""Three tables: sentences that are spoken, rows of a talk, pictures with their names.

    python data.py --folder assistant

Voices, some sentences and all pictures of the test split are never met in training.
"""

import argparse
import csv
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from phrases import SPLITS, ask, is_chinese
from things import THINGS, draw

from mmbm.demo.speech import ACCENTS, VOICES, Utterance, speak

HERE = Path(__file__).parent
CONFIGS = ("ears", "mind", "album")
PARTS = {"train": 0.8, "valid": 0.1, "test": 0.1}


class Sizes(NamedTuple):
    """Rows of each table."""

    ears: int = 3000
    mind: int = 6000
    album: int = 2400


def voices(split: str, seed: int = 0) -> list[str]:
    """Every voice is in one split."""
    shuffled = np.random.default_rng(seed).permutation(VOICES).tolist()
    ends = np.round(np.cumsum([0, *PARTS.values()]) * len(shuffled)).astype(int)
    i = SPLITS.index(split)
    return shuffled[ends[i] : ends[i + 1]]


def utterance(text: str, split: str, file: Path, generator: np.random.Generator) -> Utterance:
    accent = generator.choice(ACCENTS["cmn" if is_chinese(text) else "en"])
    rate, pitch = generator.integers(140, 200), generator.integers(35, 66)
    voice = f"{accent}+{generator.choice(voices(split))}"
    return Utterance(str(file), text, voice, int(rate), int(pitch))


def make_ears(folder: Path, rows: int, generator: np.random.Generator) -> None:
    drawn, lines = [], []
    for split, part in PARTS.items():
        for _ in range(round(part * rows)):
            file, text = f"speech/{len(lines):05}.wav", ask(generator, split).said
            drawn.append(utterance(text, split, folder / file, generator))
            lines.append([file, text, "zh" if is_chinese(text) else "en", split])
    speak(drawn)
    write(folder / "ears.csv", ["speech", "words", "language", "split"], lines)


def make_mind(folder: Path, rows: int, generator: np.random.Generator) -> None:
    lines = []
    for split, part in PARTS.items():
        for _ in range(round(part * rows)):
            asked, file = ask(generator, split), ""
            if asked.thing:
                file = f"pictures/mind-{len(lines):05}.png"
                draw(asked.thing, generator).save(folder / file)
            lines.append([asked.said, asked.before, file, *asked.meaning, split])
    head = ["said", "before", "picture", "tool", "room", "state", "colour", "shape", "reply"]
    write(folder / "mind.csv", [*head, "split"], lines)


def make_album(folder: Path, rows: int, generator: np.random.Generator) -> None:
    lines = []
    for split, part in PARTS.items():
        for i in range(round(part * rows)):
            thing, file = THINGS[i % len(THINGS)], f"pictures/album-{len(lines):05}.png"
            draw(thing, generator).save(folder / file)
            lines.append([file, thing.named(False), thing.named(True), *thing, split])
    write(folder / "album.csv", ["picture", "en", "zh", "colour", "shape", "split"], lines)


def write(file: Path, head: list[str], lines: list[list[str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([head, *lines])


def make(folder: Path, sizes: Sizes = Sizes(), seed: int = 0) -> None:  # noqa: B008  # a constant
    """Write the tables, their media and the three configs."""
    for name in ("speech", "pictures"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in CONFIGS:
        shutil.copy(HERE / f"{name}.yaml", folder)
    make_ears(folder, sizes.ears, np.random.default_rng([seed, 0]))
    make_mind(folder, sizes.mind, np.random.default_rng([seed, 1]))
    make_album(folder, sizes.album, np.random.default_rng([seed, 2]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    make(parser.parse_args().folder)
