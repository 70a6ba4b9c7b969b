"""Convert a cell to a part of a message, with its cost."""

import base64
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import soundfile
from PIL import Image

from mmbm import registry
from mmbm.cells.media import locate, name_format, read
from mmbm.errors import BadCell
from mmbm.kinds.category.column import name as name_of
from mmbm.kinds.column import Cell
from mmbm.kinds.prompt import tokens

LARGEST = 20_000_000
"""Maximum bytes of an image or audio file that is sent."""
PICTURES = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp", "GIF": "gif"}
"""Types that OpenAI's API accepts; other images are sent as PNG."""


class Size(NamedTuple):
    """Approximate cost of a request: as GPT-4o counts (platform.openai.com/docs/guides)."""

    tokens: float = 0  # of text
    pictures: float = 0
    seconds: float = 0
    of_media: float = 0  # tokens of images and audio

    def plus(self, other: "Size") -> "Size":
        return Size(*(a + b for a, b in zip(self, other)))


Part = tuple[dict[str, Any], Size]


def part_of(kind: str, cell: Cell, root: Path | None, label: str) -> Part | None:
    if media := registry.kind(kind).media:
        where = locate(cell, root)
        if media not in PARTS:
            raise BadCell(f"is a file of {media}, which no message carries")
        return None if where is None else PARTS[media](read(where, LARGEST))
    if (text := written(cell)) is None:
        return None
    return {"type": "text", "text": label + text}, Size(tokens(label + text))


def written(cell: Cell) -> str | None:
    if isinstance(cell, list):
        return "; ".join(map(str, cell)) or None
    return (cell if isinstance(cell, str) and cell.strip() else name_of(cell)) or None


def picture(raw: bytes) -> Part:
    try:
        opened = Image.open(io.BytesIO(raw))
        kind, (width, height) = PICTURES.get(opened.format or ""), opened.size
        if kind is None:
            opened.convert("RGB").save(file := io.BytesIO(), "PNG")
            kind, raw = "png", file.getvalue()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadCell(f"is not a picture but {name_format(raw) or 'damaged'}") from error
    shrink = min(1, 2048 / max(width, height), 768 / min(width, height))
    tiles = math.ceil(width * shrink / 512) * math.ceil(height * shrink / 512)
    url = f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}, Size(0, 1, 0.0, 85 + 170 * tiles)


def sound(raw: bytes) -> Part:
    """WAV and MP3 unchanged, all else that libsndfile reads as 16-bit WAV."""
    try:
        about = soundfile.info(io.BytesIO(raw))
        kind = {"WAV": "wav", "MP3": "mp3"}.get(about.format)
        if kind is None:
            wave, rate = soundfile.read(io.BytesIO(raw), dtype="int16")
            soundfile.write(file := io.BytesIO(), wave, rate, format="WAV")
            kind, raw = "wav", file.getvalue()
    except soundfile.LibsndfileError as error:
        raise BadCell(f"is not a sound but {name_format(raw) or 'damaged'}") from error
    data = {"data": base64.b64encode(raw).decode(), "format": kind}
    cost = Size(0, 0, about.duration, math.ceil(10 * about.duration))
    return {"type": "input_audio", "input_audio": data}, cost


PARTS: dict[str, Callable[[bytes], Part]] = {"image/*": picture, "audio/*": sound}
"""By media type."""
