"""A small language made at test time: every letter is a tone of its own, a space is silence."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 8000
LETTERS = {"a": 400, "b": 800, "c": 1200, " ": 0}  # hertz
SECONDS = 0.08  # of a letter


def say(text: str, generator: np.random.Generator) -> np.ndarray:
    time = np.arange(round(SECONDS * RATE)) / RATE
    tones = [0.4 * np.sin(2 * np.pi * LETTERS[x] * time) * np.hanning(len(time)) for x in text]
    sound = np.concatenate(tones)
    return sound + generator.normal(0, 0.01, len(sound))


def make(folder: Path, rows: int = 192, seed: int = 0, longest: int = 7) -> Path:
    """Write sounds and data.csv: speech, words, mood, split. -> data.csv"""
    generator = np.random.default_rng(seed)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["speech", "words", "mood", "split"])
        for i in range(rows):
            drawn = "".join(generator.choice(list(LETTERS), generator.integers(1, longest + 1)))
            text = " ".join(drawn.split()) or "a"
            soundfile.write(folder / f"media/{i}.wav", say(text, generator), RATE)
            split = "valid" if i % 8 == 6 else "test" if i % 8 == 7 else "train"
            writer.writerow([f"media/{i}.wav", text, text[0], split])
    return folder / "data.csv"


def config(table: Path, **train: Any) -> dict[str, Any]:
    encoder = {"kind": "rnn", "size": "tiny", "width": 24}
    speech = {"kind": "audio", "sample_rate": RATE, "seconds": 1, "n_mels": 24, "encoder": encoder}
    return {
        "data": {"table": str(table), "split": "split"},
        "inputs": {"speech": speech},
        "fusion": {"kind": "concat", "width": 24},
        "targets": {"words": {"kind": "transcript", "input": "speech"}},
        "train": {
            "epochs": 40,
            "batch_size": 16,
            "lr": 0.01,
            "threads": 1,
            "golden_rows": 4,
            **train,
        },
    }
