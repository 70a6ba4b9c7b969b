"""Drawn scenes with questions in English and Chinese, and sentences that answer them.

A scene has up to four shapes on a grid of three by three. No train row shows or names a pair of
`UNSEEN`: those are for the test rows, all of which ask about such a pair.
"""

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"red": "红色", "green": "绿色", "blue": "蓝色", "yellow": "黄色"}
SHAPES = {"circle": "圆形", "square": "方块", "triangle": "三角形"}
RGB = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 70, 220),
    "yellow": (240, 210, 30),
}
UNSEEN = [("red", "triangle"), ("blue", "square")]
CELL, SIDE = 16, 3
COUNTS = ["no", "one", "two", "three", "four"]
HAN = "零一两三四"


class Thing(NamedTuple):
    colour: str
    shape: str
    row: int
    column: int

    @property
    def pair(self) -> tuple[str, str]:
        return self.colour, self.shape

    @property
    def han(self) -> tuple[str, str]:
        return COLOURS[self.colour], SHAPES[self.shape]


def make(folder: Path, rows: dict[str, int], seed: int = 0) -> Path:
    """Write pictures and data.csv with so many rows of each split. -> data.csv"""
    generator = np.random.default_rng(seed)
    (folder / "scenes").mkdir(parents=True, exist_ok=True)
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["scene", "question", "answer", "split"])
        for split, count in rows.items():
            for i in range(count):
                things, question, answer = row(generator, unseen=split == "test")
                name = f"scenes/{split}-{i}.png"
                draw(things, generator).save(folder / name)
                writer.writerow([name, question, answer, split])
    return folder / "data.csv"


def row(generator: np.random.Generator, unseen: bool) -> tuple[list[Thing], str, str]:
    while True:
        things = scene(generator, unseen)
        asked = ASKED[generator.integers(len(ASKED))](things, generator, unseen)
        if asked:
            language = generator.integers(2)
            return things, asked[language][0], asked[language][1]


def pairs(unseen: bool) -> list[tuple[str, str]]:
    every = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    return [pair for pair in every if unseen or pair not in UNSEEN]


def scene(generator: np.random.Generator, unseen: bool) -> list[Thing]:
    choice = pairs(unseen)
    cells = generator.permutation(SIDE * SIDE)[: generator.integers(1, 5)]
    kinds = [choice[i] for i in generator.integers(len(choice), size=2)]
    if unseen:
        kinds[0] = UNSEEN[generator.integers(len(UNSEEN))]
    return [
        Thing(*kinds[generator.integers(2)], int(cell) // SIDE, int(cell) % SIDE) for cell in cells
    ]


def draw(things: list[Thing], generator: np.random.Generator) -> Image.Image:
    side = CELL * SIDE
    grey = generator.integers(225, 256, (side, side, 1)).repeat(3, 2).astype(np.uint8)
    picture = Image.fromarray(grey)
    pen = ImageDraw.Draw(picture)
    for thing in things:
        size = int(generator.integers(10, 14))
        x = thing.column * CELL + int(generator.integers(CELL - size + 1))
        y = thing.row * CELL + int(generator.integers(CELL - size + 1))
        box, colour = (x, y, x + size - 1, y + size - 1), RGB[thing.colour]
        if thing.shape == "circle":
            pen.ellipse(box, fill=colour)
        elif thing.shape == "square":
            pen.rectangle(box, fill=colour)
        else:
            pen.polygon(
                [(x + size // 2, y), (x, y + size - 1), (x + size - 1, y + size - 1)], colour
            )
    return picture


# ── ((English question, answer), (Chinese question, answer)), or None if it can't be asked ──────


def how_many(things: list[Thing], generator: np.random.Generator, unseen: bool) -> Any:
    choice = UNSEEN if unseen else pairs(False)
    some = [thing.pair for thing in things if not unseen or thing.pair in UNSEEN]
    colour, shape = (
        some[generator.integers(len(some))]
        if some and generator.random() < 0.75
        else choice[generator.integers(len(choice))]
    )
    n = sum(thing.pair == (colour, shape) for thing in things)
    thing = f"{COUNTS[n]} {colour} {shape}"
    said = f"There is {thing}." if n == 1 else f"There are {thing}s."
    han = f"{COLOURS[colour]}的{SHAPES[shape]}"
    answer = f"有{HAN[n]}个{han}。" if n else f"没有{han}。"
    return (f"How many {colour} {shape}s are there?", said), (f"有几个{han}？", answer)


def which_colour(things: list[Thing], generator: np.random.Generator, unseen: bool) -> Any:
    single = [t for t in things if sum(o.shape == t.shape for o in things) == 1]
    single = [t for t in single if not unseen or t.pair in UNSEEN]
    if not single:
        return None
    thing = single[generator.integers(len(single))]
    return (
        (f"What colour is the {thing.shape}?", f"The {thing.shape} is {thing.colour}."),
        (
            f"{thing.han[1]}是什么颜色？",
            f"{thing.han[1]}是{thing.han[0]}的。",
        ),
    )


def which_shape(things: list[Thing], generator: np.random.Generator, unseen: bool) -> Any:
    single = [t for t in things if sum(o.colour == t.colour for o in things) == 1]
    single = [t for t in single if not unseen or t.pair in UNSEEN]
    if not single:
        return None
    thing = single[generator.integers(len(single))]
    return (
        (f"What is {thing.colour}?", f"The {thing.shape} is {thing.colour}."),
        (
            f"什么是{thing.han[0]}的？",
            f"{thing.han[1]}是{thing.han[0]}的。",
        ),
    )


def what_is_where(things: list[Thing], generator: np.random.Generator, unseen: bool) -> Any:
    sides = {
        ("left", "左边"): min(things, key=lambda t: t.column),
        ("right", "右边"): max(things, key=lambda t: t.column),
        ("top", "上面"): min(things, key=lambda t: t.row),
        ("bottom", "下面"): max(things, key=lambda t: t.row),
    }
    clear = {
        words: thing
        for words, thing in sides.items()
        if sum(
            (t.column == thing.column) if words[0] in ("left", "right") else (t.row == thing.row)
            for t in things
        ) == 1
        and (not unseen or thing.pair in UNSEEN)
    }  # fmt: skip
    if len(things) < 2 or not clear:
        return None
    words = list(clear)[generator.integers(len(clear))]
    thing = clear[words]
    return (
        (f"What is at the {words[0]}?", f"At the {words[0]} is a {thing.colour} {thing.shape}."),
        (
            f"最{words[1]}是什么？",
            f"最{words[1]}是{thing.han[0]}的{thing.han[1]}。",
        ),
    )


ASKED = [how_many, which_colour, which_shape, what_is_where]
