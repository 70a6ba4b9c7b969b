"""A small real dataset, made at test time: coloured pictures, tones, remarks and numbers."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}
RATE = 8000
HEADER = ["photo", "speech", "remark", "speed", "place", "label", "amount", "tags", "split"]


def make(folder: Path, rows: int = 96, seed: int = 0) -> Path:
    """Write media and data.csv: every modality tells the label, none of them always. -> data.csv"""
    generator = np.random.default_rng(seed)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["photo", "speech", "remark", "speed", "place", "label", "amount", "tags", "split"]
        )
        for i in range(rows):
            writer.writerow(row(folder, i, rows, generator))
    return folder / "data.csv"


def row(folder: Path, i: int, rows: int, generator: np.random.Generator) -> list[Any]:
    names = list(COLOURS)
    label = names[i % 3]
    seen = [label if generator.random() < 0.9 else generator.choice(names) for _ in range(3)]
    photo, speech = f"media/{i}.png", f"media/{i}.wav"
    picture = np.array(COLOURS[seen[0]]) + generator.normal(0, 30, (12, 12, 3))
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / photo)
    seconds = generator.uniform(0.05, 0.3)
    time = np.arange(int(seconds * RATE)) / RATE
    tone = 0.4 * np.sin(2 * np.pi * (400 * (names.index(seen[1]) + 1)) * time)
    soundfile.write(folder / speech, tone + generator.normal(0, 0.02, len(time)), RATE)
    remark = " ".join(["it looks", seen[2], "看起来是"][: 2 + i % 2] * (1 + i % 3))
    speed = round(float(names.index(label) * 10 + generator.normal()), 3)
    split = "valid" if i % 8 == 6 else "test" if i % 8 == 7 else "train"
    tags = ";".join(sorted({label, "even" if i % 2 == 0 else "odd"}))
    return [photo, speech, remark, speed, f"town{i % 4}", label, speed * 2 + 1, tags, split]


def config(table: Path, **train: Any) -> dict[str, Any]:
    """A config over all kinds at the smallest sizes that still train: a network alone."""
    tiny = {"size": "tiny", "width": 8}
    return {
        "data": {"table": str(table), "split": "split"},
        "inputs": {
            "photo": {"kind": "image", "size": 12, "encoder": {"kind": "cnn", **tiny}},
            "speech": {"kind": "audio", "sample_rate": RATE, "seconds": 1, "n_mels": 16,
                       "encoder": {"kind": "cnn", **tiny}},
            "remark": {"kind": "text", "vocab_size": 300, "encoder": {"kind": "rnn", **tiny}},
            "speed": {"kind": "number"},
            "place": {"kind": "category"},
        },
        "fusion": {"kind": "concat", "width": 16},
        "targets": {"label": {"kind": "category"}},
        "members": ["network"],
        "train": {"epochs": 2, "batch_size": 16, "threads": 1, "golden_rows": 4, **train},
    }  # fmt: skip
