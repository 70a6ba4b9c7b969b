"""Pictures of coloured shapes, captions in English and Chinese, and tones: made at test time."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image, ImageDraw

COLOURS = {
    "red": ("红色", (220, 40, 40)), "green": ("绿色", (40, 190, 60)),
    "blue": ("蓝色", (50, 70, 220)), "white": ("白色", (240, 240, 240)),
    "yellow": ("黄色", (230, 210, 40)), "violet": ("紫色", (150, 50, 200)),
}  # fmt: skip
SHAPES = {"circle": "圆形", "square": "方块", "cross": "十字"}
PLACES = {"left": "左边", "right": "右边"}
RATE = 8000


def make(folder: Path, rows: int = 288, seed: int = 0) -> Path:
    """Write media and data.csv: photo, en, zh, sound, shape, size, split. Every thirty-six rows
    show everything there is, so captions repeat; now and then a cell is empty. -> data.csv"""
    generator = np.random.default_rng(seed)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    kinds = [(c, s, p) for c in COLOURS for s in SHAPES for p in PLACES]
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "en", "zh", "sound", "shape", "size", "split"])
        for i in range(rows):
            colour, shape, place = kinds[i % len(kinds)]
            size = int(generator.integers(4, 7))
            draw(folder / f"media/{i}.png", colour, shape, place, size, generator)
            tone(folder / f"media/{i}.wav", colour, shape, generator)
            en = f"a {colour} {shape} on the {place}"
            zh = f"{PLACES[place]}的{COLOURS[colour][0]}{SHAPES[shape]}"
            part = i // len(kinds)
            split = "valid" if part % 4 == 2 else "test" if part % 4 == 3 else "train"
            cells = [f"media/{i}.png", en, zh, f"media/{i}.wav"]
            if i % 11 == 5:
                cells[i % 4] = ""
            writer.writerow([*cells, shape, size, split])
    return folder / "data.csv"


def draw(
    path: Path, colour: str, shape: str, place: str, size: int, generator: np.random.Generator
) -> None:
    picture = Image.new("RGB", (24, 24), (20, 20, 20))
    x, y = (7 if place == "left" else 17), 12 + int(generator.integers(-2, 3))
    fill, pen = COLOURS[colour][1], ImageDraw.Draw(picture)
    box = (x - size, y - size, x + size, y + size)
    if shape == "circle":
        pen.ellipse(box, fill)
    elif shape == "square":
        pen.rectangle(box, fill)
    else:
        pen.line((x - size, y, x + size, y), fill, 3)
        pen.line((x, y - size, x, y + size), fill, 3)
    noisy = np.asarray(picture) + generator.normal(0, 8, (24, 24, 3))
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)


def tone(path: Path, colour: str, shape: str, generator: np.random.Generator) -> None:
    time = np.arange(round(0.25 * RATE)) / RATE
    pitch = 300 * (1 + list(COLOURS).index(colour))
    wave = 0.4 * np.sin(2 * np.pi * pitch * time)
    beat = {"circle": 0, "square": 12, "cross": 40}[shape]
    wave *= 1 if not beat else 0.5 + 0.5 * np.sin(2 * np.pi * beat * time)
    soundfile.write(path, wave + generator.normal(0, 0.01, len(time)), RATE)


def config(table: Path, columns: tuple[str, ...] = ("photo", "en", "zh"), **train: Any) -> dict:
    """A config that learns it in seconds."""
    text = {"kind": "text", "tokenizer": "word", "encoder": {"kind": "rnn", "size": "tiny"}}
    inputs = {
        "photo": {"kind": "image", "size": 24, "encoder": {"kind": "cnn", "size": "tiny"}},
        "en": text,
        "zh": text,
        "sound": {"kind": "audio", "sample_rate": RATE, "seconds": 0.25, "n_mels": 24,
                  "encoder": {"kind": "cnn", "size": "tiny"}},
    }  # fmt: skip
    return {
        "data": {"table": str(table), "split": "split"},
        "inputs": {name: inputs[name] for name in columns},
        "fusion": {"kind": "concat", "width": 32},
        "targets": {"alike": {"kind": "contrastive", "columns": list(columns), "width": 16}},
        "train": {
            "epochs": 30,
            "batch_size": 24,
            "lr": 0.005,
            "threads": 1,
            "golden_rows": 4,
            **train,
        },
    }
