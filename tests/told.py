"""Rows whose answer is a sentence: a coloured picture, a number of things, a question."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = {"red": ("红色", (220, 50, 40)), "green": ("绿色", (40, 200, 60)),
           "blue": ("蓝色", (40, 60, 220))}  # fmt: skip
HAN = {"one": "一", "two": "两", "three": "三"}


def make(folder: Path, rows: int = 360, seed: int = 0) -> Path:
    """Write pictures and data.csv: each question needs the picture or the number. -> data.csv"""
    generator = np.random.default_rng(seed)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "number", "question", "answer", "split"])
        for i in range(rows):
            colour = list(COLOURS)[generator.integers(3)]
            number = list(HAN)[generator.integers(3)]
            han, rgb = COLOURS[colour]
            picture = np.array(rgb) + generator.normal(0, 10, (8, 8, 3))
            Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"media/{i}.png")
            question, answer = [
                ("What colour?", f"They are {colour}."),
                ("How many?", f"There are {number} of them, all {colour}."),
                ("什么颜色？", f"是{han}的。"),
                ("有几个？", f"有{HAN[number]}个，都是{han}的。"),
            ][generator.integers(4)]
            split = "valid" if i % 6 == 4 else "test" if i % 6 == 5 else "train"
            writer.writerow([f"media/{i}.png", number, question, answer, split])
    return folder / "data.csv"


def config(table: Path, **train: Any) -> dict[str, Any]:
    tiny = {"size": "tiny", "width": 16}
    return {
        "data": {"table": str(table), "split": "split"},
        "inputs": {
            "photo": {"kind": "image", "size": 8, "encoder": {"kind": "cnn", **tiny}},
            "number": {"kind": "category"},
            "question": {"kind": "text", "vocab_size": 300, "encoder": {"kind": "rnn", **tiny}},
        },
        "fusion": {"kind": "transformer", "width": 32, "layers": 1, "modality_dropout": 0},
        "targets": {
            "answer": {"kind": "text", "vocab_size": 350, "max_tokens": 24,
                       "decoder": {"size": "tiny", "dropout": 0}}
        },
        "train": {"epochs": 24, "batch_size": 16, "lr": 0.004, "threads": 1, "golden_rows": 4,
                  **train},
    }  # fmt: skip
