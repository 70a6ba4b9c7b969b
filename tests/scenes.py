"""Drawn scenes with questions in English and Chinese, and sentences that answer them.

A scene has up to three shapes, of one or two kinds, in four places. Ten of the 66
combinations of two kinds are never shown in training, blue circles beside a blue square, say; test
rows show only those.
"""

import csv
from pathlib import Path
from typing import NamedTuple

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
CELL, SIDE = 16, 2
COUNTS = ["no", "one", "two", "three"]
HAN = "零一两三"


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
        things, kind = scene(generator), int(generator.integers(len(ASKED)))
        asked = ASKED[kind](things, generator)
        if asked and held_out({thing.pair for thing in things}) == unseen:
            return things, *(asked.chinese if generator.integers(2) else asked.english)


def held_out(kinds: set[tuple[str, str]]) -> bool:
    """Whether these kinds of things are shown together only in test rows."""
    places = [4 * list(SHAPES).index(shape) + list(COLOURS).index(c) for c, shape in kinds]
    return len(places) == 2 and (places[0] * places[1] + sum(places)) % 5 == 0


def scene(generator: np.random.Generator) -> list[Thing]:
    pairs = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    cells = generator.permutation(SIDE * SIDE)[: generator.integers(1, 4)]
    kinds = [pairs[i] for i in generator.integers(len(pairs), size=2)]
    return [
        Thing(*kinds[generator.integers(2)], int(cell) // SIDE, int(cell) % SIDE) for cell in cells
    ]


def draw(things: list[Thing], generator: np.random.Generator) -> Image.Image:
    side = CELL * SIDE
    grey = generator.integers(225, 256, (side, side, 1)).repeat(3, 2).astype(np.uint8)
    picture = Image.fromarray(grey)
    pen = ImageDraw.Draw(picture)
    for thing in things:
        size = int(generator.integers(11, 15))
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


# ── kinds of question; None where a scene has nothing to ask for ─────────────────────────────────


class Asked(NamedTuple):
    """A question and its answer."""

    english: tuple[str, str]
    chinese: tuple[str, str]


def how_many(things: list[Thing], generator: np.random.Generator) -> Asked:
    there = [thing.pair for thing in things]
    pair = there[generator.integers(len(there))]
    if generator.random() < 0.2:
        pair = (list(COLOURS)[generator.integers(4)], list(SHAPES)[generator.integers(3)])
    n = there.count(pair)
    several = f"{pair[0]} {pair[1]}s"
    said = f"There are {COUNTS[n]} {several}." if n != 1 else f"There is one {several[:-1]}."
    han = f"{COLOURS[pair[0]]}的{SHAPES[pair[1]]}"
    answer = f"有{HAN[n]}个{han}。" if n else f"没有{han}。"
    return Asked((f"How many {several} are there?", said), (f"有几个{han}？", answer))


def which_colour(things: list[Thing], generator: np.random.Generator) -> Asked | None:
    single = [t for t in things if sum(o.shape == t.shape for o in things) == 1]
    if not single:
        return None
    thing = single[generator.integers(len(single))]
    return Asked(
        (f"What colour is the {thing.shape}?", f"The {thing.shape} is {thing.colour}."),
        (f"{thing.han[1]}是什么颜色？", f"{thing.han[1]}是{thing.han[0]}的。"),
    )


def which_shape(things: list[Thing], generator: np.random.Generator) -> Asked | None:
    single = [t for t in things if sum(o.colour == t.colour for o in things) == 1]
    if not single:
        return None
    thing = single[generator.integers(len(single))]
    return Asked(
        (f"What is {thing.colour}?", f"The {thing.colour} one is a {thing.shape}."),
        (f"什么是{thing.han[0]}的？", f"{thing.han[0]}的是{thing.han[1]}。"),
    )


def what_is_where(things: list[Thing], generator: np.random.Generator) -> Asked | None:
    sides = {
        ("left", "左边"): min(things, key=lambda t: t.column),
        ("right", "右边"): max(things, key=lambda t: t.column),
        ("top", "上面"): min(things, key=lambda t: t.row),
        ("bottom", "下面"): max(things, key=lambda t: t.row),
    }

    def alone(side: str, thing: Thing) -> bool:
        beside = "column" if side in ("left", "right") else "row"
        return sum(getattr(t, beside) == getattr(thing, beside) for t in things) == 1

    clear = {words: thing for words, thing in sides.items() if alone(words[0], thing)}
    if len(things) < 2 or not clear:
        return None
    side, han = list(clear)[generator.integers(len(clear))]
    thing = clear[side, han]
    return Asked(
        (f"What is at the {side}?", f"At the {side} is a {thing.colour} {thing.shape}."),
        (f"最{han}是什么？", f"最{han}是{thing.han[0]}的{thing.han[1]}。"),
    )


ASKED = [how_many, which_colour, which_shape, what_is_where]
