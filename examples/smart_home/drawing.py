"""Rooms as a camera sees them: five places along a wall, with devices, other things or nothing."""

import colorsys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from commands import Room
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 160, 120  # pixels
PLACE = 32  # pixels of the wall's width for each of five places
FLOOR = 84  # pixels from the top
Box = tuple[float, float, float, float]
Draw = ImageDraw.ImageDraw


class Look(NamedTuple):
    """What of a room never changes while devices are switched."""

    order: tuple[str, ...]  # the device of each place, from left to right, if it is there
    hue: float  # of the wall, 0 to 1
    seed: int  # of all the rest: shapes, colours, what stands at empty places


def draw(look: Look, room: Room, grain: np.random.Generator) -> Image.Image:
    """RGB. The same look and room differ only by the grain and the exposure of the camera."""
    generator = np.random.default_rng(look.seed)
    picture = Image.new("RGB", (WIDTH, HEIGHT), colour(look.hue, 0.25, 0.85))
    canvas = ImageDraw.Draw(picture, "RGBA")
    floor = colour(generator.uniform(0.04, 0.12), 0.5, generator.uniform(0.35, 0.6))
    canvas.rectangle((0, FLOOR, WIDTH, HEIGHT), fill=floor)
    for i, name in enumerate(look.order):
        own = np.random.default_rng([look.seed, i])  # switching one changes no other
        x = PLACE * (i + 0.5) + own.uniform(-2.5, 2.5)
        if name in room.on:
            DRAWN[name](canvas, x, own, room.on[name], room.hour)
        else:
            OTHERS[own.integers(len(OTHERS))](canvas, x, own)
    blurred = picture.filter(ImageFilter.GaussianBlur(0.6))
    pixels = np.asarray(blurred, np.float32) * grain.uniform(0.7, 1.05)
    pixels += grain.normal(0, 4, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def around(x: float, y: float, radius: float) -> Box:
    return (x - radius, y - radius, x + radius, y + radius)


def lamp(canvas: Draw, x: float, own: np.random.Generator, on: bool, hour: int) -> None:
    top, foot = own.uniform(30, 46), own.uniform(94, 106)
    shade = (255, 225, 40) if on else colour(0.5, 1, own.uniform(0.25, 0.4))
    if on:
        for radius, alpha in ((22, 70), (17, 120)):
            canvas.ellipse(around(x, top + 9, radius), fill=(255, 245, 140, alpha))
    canvas.line((x, top + 18, x, foot), fill=(20, 20, 20), width=3)
    canvas.ellipse((x - 9, foot - 3, x + 9, foot + 3), fill=(20, 20, 20))
    corners = [(x - 8, top), (x + 8, top), (x + 14, top + 19), (x - 14, top + 19)]
    canvas.polygon(corners, fill=shade, outline=(20, 20, 20))


def fan(canvas: Draw, x: float, own: np.random.Generator, on: bool, hour: int) -> None:
    y, radius, foot = own.uniform(48, 60), own.uniform(11, 14), own.uniform(94, 104)
    blades = colour(own.uniform(0.5, 0.7), 0.9, 0.8)
    canvas.line((x, y, x, foot), fill=(60, 60, 65), width=3)
    canvas.rectangle((x - 8, foot - 3, x + 8, foot), fill=(60, 60, 65))
    canvas.ellipse(around(x, y, radius), fill=(235, 240, 245), outline=(40, 40, 45), width=2)
    if on:  # a blur over the whole cage
        canvas.ellipse(around(x, y, radius - 2), fill=(*blades, 190))
        canvas.ellipse(around(x, y, radius * 0.6), fill=(*blades, 230))
    else:
        turn = own.uniform(0, 120)
        for angle in (turn, turn + 120, turn + 240):
            canvas.pieslice(around(x, y, radius - 2), angle, angle + 50, fill=blades)
    canvas.ellipse(around(x, y, 2), fill=(50, 50, 50))


def tv(canvas: Draw, x: float, own: np.random.Generator, on: bool, hour: int) -> None:
    y, half = own.uniform(52, 62), own.uniform(13, 15)
    wood = colour(0.08, 0.5, own.uniform(0.3, 0.5))
    canvas.rectangle((x - 12, y + 20, x + 12, y + 36), fill=wood)
    canvas.rectangle((x - half, y, x + half, y + 18), fill=(20, 20, 22))
    screen = (x - half + 2, y + 2, x + half - 2, y + 16)
    if on:
        sky = colour(own.uniform(0.5, 0.65), 0.5, 1)
        ground = colour(own.uniform(0.2, 0.4), 0.8, 0.8)
        canvas.rectangle(screen, fill=sky)
        canvas.rectangle((screen[0], y + 10, screen[2], screen[3]), fill=ground)
    else:
        canvas.rectangle(screen, fill=(38, 38, 44))


def curtain(canvas: Draw, x: float, own: np.random.Generator, on: bool, hour: int) -> None:
    top, cloth = own.uniform(12, 20), colour(own.uniform(0.9, 1.05), 0.75, own.uniform(0.5, 0.8))
    bottom = top + own.uniform(44, 54)
    outside = (165, 210, 245) if 7 <= hour < 18 else (25, 30, 65)
    canvas.rectangle((x - 13, top, x + 13, bottom - 6), fill=outside, outline=(250, 250, 250))
    canvas.line((x, top, x, bottom - 6), fill=(250, 250, 250))
    edge = 4 if on else 15  # open: gathered at both sides
    canvas.rectangle((x - 15, top - 1, x - 15 + edge, bottom), fill=cloth)
    canvas.rectangle((x + 15 - edge, top - 1, x + 15, bottom), fill=cloth)
    for fold in range(2, edge, 3):
        for side in (x - 15 + fold, x + 15 - fold):
            canvas.line((side, top, side, bottom), fill=(0, 0, 0, 60))
    canvas.line((x - 16, top - 1, x + 16, top - 1), fill=(70, 50, 40), width=2)


def thermostat(canvas: Draw, x: float, own: np.random.Generator, on: bool, hour: int) -> None:
    """A panel with a glowing display."""
    y, half = own.uniform(14, 26), own.uniform(13, 15)
    canvas.rounded_rectangle((x - half, y, x + half, y + 16), 3, (30, 30, 32), (250, 250, 250))
    canvas.rectangle((x - 9, y + 4, x + 9, y + 12), fill=(255, 130, 0))


def plant(canvas: Draw, x: float, own: np.random.Generator) -> None:
    foot = own.uniform(94, 104)
    for _ in range(6):
        end = (x + own.uniform(-11, 11), foot - own.uniform(22, 40))
        canvas.line((x, foot - 10, *end), fill=colour(own.uniform(0.25, 0.4), 0.7, 0.5), width=3)
    pot = [(x - 7, foot - 12), (x + 7, foot - 12), (x + 5, foot), (x - 5, foot)]
    canvas.polygon(pot, fill=colour(0.04, 0.6, own.uniform(0.5, 0.8)))


def painting(canvas: Draw, x: float, own: np.random.Generator) -> None:
    y, half = own.uniform(20, 45), own.uniform(8, 13)
    canvas.rectangle((x - half, y, x + half, y + 18), fill=colour(own.uniform(), 0.5, 0.8))
    canvas.ellipse(around(x, y + 9, 5), fill=colour(own.uniform(), 0.7, 0.6))
    canvas.rectangle((x - half, y, x + half, y + 18), outline=(110, 75, 40), width=2)


def shelf(canvas: Draw, x: float, own: np.random.Generator) -> None:
    top = own.uniform(44, 60)
    canvas.rectangle((x - 11, top, x + 11, 98), fill=(130, 95, 60))
    for row in np.arange(top + 3, 90, 13):
        for book in range(5):
            left = x - 9 + 3.6 * book
            spine = colour(own.uniform(), 0.6, 0.7)
            canvas.rectangle((left, row + own.uniform(0, 3), left + 3, row + 10), fill=spine)


def nothing(canvas: Draw, x: float, own: np.random.Generator) -> None:
    pass


DRAWN: dict[str, Callable[[Draw, float, np.random.Generator, bool, int], None]] = {
    "lamp": lamp,
    "fan": fan,
    "tv": tv,
    "curtain": curtain,
    "thermostat": thermostat,
}
OTHERS = (plant, painting, shelf, nothing)
