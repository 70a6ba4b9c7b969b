"""What the album's pictures show: one thing of a colour and a shape, drawn anew each time."""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {
    "red": ("红色", (215, 40, 40)),
    "green": ("绿色", (40, 165, 70)),
    "blue": ("蓝色", (45, 80, 215)),
    "yellow": ("黄色", (240, 205, 40)),
    "purple": ("紫色", (140, 50, 170)),
    "orange": ("橙色", (240, 130, 30)),
}
SHAPES = {
    "circle": "圆形",
    "square": "方块",
    "triangle": "三角形",
    "star": "星星",
    "cross": "十字",
}
SIDE = 32
TILT = math.pi / 10
"""Most that a thing is turned, either way."""
CORNERS = {"triangle": 3, "square": 4, "star": 10}
"""Of a polygon; every second one of a star is nearer to its middle."""


class Thing(NamedTuple):
    colour: str
    shape: str

    def named(self, chinese: bool) -> str:
        if chinese:
            return f"{COLOURS[self.colour][0]}的{SHAPES[self.shape]}"
        return f"{'an' if self.colour == 'orange' else 'a'} {self.colour} {self.shape}"


THINGS = [Thing(colour, shape) for colour in COLOURS for shape in SHAPES]


def draw(thing: Thing, generator: np.random.Generator) -> Image.Image:
    """Anywhere, of some size, a little turned, on any light ground."""
    ground = tuple(int(x) for x in generator.integers(200, 256, 3))
    shift = generator.integers(-18, 19, 3)
    ink = tuple(int(x) for x in np.clip(np.add(COLOURS[thing.colour][1], shift), 0, 255))
    picture = Image.new("RGB", (4 * SIDE, 4 * SIDE), ground)
    radius = generator.uniform(1.3, 1.9) * SIDE
    x, y = generator.uniform(radius, 4 * SIDE - radius, 2)
    pen = ImageDraw.Draw(picture)
    if thing.shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    else:
        pen.polygon(outline(thing.shape, x, y, radius, generator.uniform(-TILT, TILT)), fill=ink)
    noise = generator.normal(0, 5, (SIDE, SIDE, 3))
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX)) + noise
    return Image.fromarray(np.clip(small, 0, 255).astype(np.uint8))


def outline(shape: str, x: float, y: float, radius: float, turn: float) -> list[tuple]:
    if shape == "cross":
        a, b = 0.33 * radius, radius
        points = [(a, b), (a, a), (b, a), (b, -a), (a, -a), (a, -b)]
        corners = points + [(-p, -q) for p, q in points]
    else:
        count = CORNERS[shape]
        reach = [radius * (0.45 if shape == "star" and i % 2 else 1) for i in range(count)]
        first = -0.25 if shape == "square" else -0.5  # stands on a side, or on its feet
        angles = [math.pi * (2 * i / count + first) for i in range(count)]
        corners = [(r * math.cos(a), r * math.sin(a)) for r, a in zip(reach, angles)]
    cos, sin = math.cos(turn), math.sin(turn)
    return [(x + p * cos - q * sin, y + p * sin + q * cos) for p, q in corners]
