"""What the files of a media column are like: a few are opened."""

import re
from collections import Counter
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import soundfile
from PIL import Image

from mmbm.columns import media
from mmbm.columns.audio import read_wave
from mmbm.columns.image import DAMAGE, FORMATS
from mmbm.errors import BadCell
from mmbm.infer.sample import Sample

OPENED = 48
"""Files of a column that are opened."""
MAX_BYTES = 100_000_000
IMAGES = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?|avif|jp2|p[pgn]m|heic|svg)")
SOUNDS = re.compile(r"\.(wav|flac|mp3|ogg|opus|m4a|aac|aiff?|au|wma|webm|amr|caf)")
VIDEOS = re.compile(r"\.(mp4|mov|avi|mkv|mpe?g|m4v|wmv)")


class Picture(NamedTuple):
    width: int
    height: int
    grey: bool


class Sound(NamedTuple):
    rate: int
    seconds: float


class Files(NamedTuple):
    """What was found in the files of one column."""

    kind: str  # image | audio
    seen: dict[int, Picture | Sound]  # by position in the sample
    problems: list[str]


def by_name(cell: Any) -> str | None:
    """image, audio, video or other for what is written like a file's path; None for what isn't."""
    if isinstance(cell, dict):
        return by_name(cell.get("path") or "")
    if not isinstance(cell, str):
        return None
    if cell[:11].lower() in ("data:image/", "data:audio/"):
        return cell[5:10].lower()
    if len(cell) > 1000 or "\n" in cell:
        return None
    ending = PurePath(cell.strip()).suffix.lower()
    for kind, endings in (("image", IMAGES), ("audio", SOUNDS), ("video", VIDEOS)):
        if endings.fullmatch(ending):
            return kind
    return "other" if "/" in cell and 2 <= len(ending) <= 6 and ending[1:].isalnum() else None


def open_some(sample: Sample) -> Files | None:
    """Open a few of the cells' files; None if they are neither pictures nor sounds."""
    places = [i for i, cell in enumerate(sample.cells) if cell is not None]
    picks = np.linspace(0, len(places) - 1, min(OPENED, len(places))).astype(int)
    seen: dict[int, Picture | Sound] = {}
    problems: list[str] = []
    for place in (places[i] for i in picks):
        try:
            source = media.locate(sample.cells[place], sample.root)
            if source is not None:
                seen[place] = look(source)
        except BadCell as error:
            problems.append(error.reason)
    if not seen:
        return None
    kinds = Counter("image" if isinstance(s, Picture) else "audio" for s in seen.values())
    kind = kinds.most_common(1)[0][0]
    wanted = Picture if kind == "image" else Sound
    return Files(kind, {i: s for i, s in seen.items() if isinstance(s, wanted)}, problems)


def look(source: bytes | Path) -> Picture | Sound:
    """Size of a picture (its header is read), or rate and length of a sound. Raises BadCell."""
    data = media.read(source, MAX_BYTES)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            grey = picture.mode in ("1", "L", "LA") or picture.mode.startswith(("I", "F"))
            return Picture(*picture.size, grey)
    except DAMAGE:
        pass
    try:
        sound = soundfile.info(BytesIO(data))
        return Sound(sound.samplerate, sound.frames / sound.samplerate)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, ZeroDivisionError):
        wave, rate = read_wave(BytesIO(data), 600.0, "start")
        return Sound(rate, len(wave) / rate)


def image_options(files: Files) -> tuple[dict[str, Any], str]:
    """Size and channels that suit the pictures, and what was seen."""
    pictures = [p for p in files.seen.values() if isinstance(p, Picture)]
    width, height = (int(np.median([p[i] for p in pictures])) for i in (0, 1))
    grey = sum(p.grey for p in pictures) >= 0.98 * len(pictures)
    shapes = np.array([p.width / p.height for p in pictures])
    alike = shapes.max() <= 1.05 * shapes.min()
    longest = max(width, height)
    # Small pictures keep their pixels; a wide one may be 96 long, to have some height left.
    size: int | list[int] = longest if longest <= 64 else 64
    if alike and not 0.8 <= width / height <= 1.25:
        scale = min(1.0, 96 / longest)
        size = [max(8, 8 * round(side * scale / 8)) for side in (height, width)]
    options: dict[str, Any] = {"size": size}
    if grey:
        options["channels"] = 1
    options["augment"] = {"crop": 0.08}  # where a thing stands in a picture seldom matters
    sizes = {(p.width, p.height) for p in pictures}
    seen = f"{width}x{height}" if len(sizes) == 1 else f"about {width}x{height}, of several sizes"
    return options, f"pictures, {seen}, {'grey' if grey else 'colour'}"


def audio_options(files: Files) -> tuple[dict[str, Any], str]:
    """Rate and length that suit the sounds, and what was seen."""
    sounds = [s for s in files.seen.values() if isinstance(s, Sound)]
    rate = Counter(s.rate for s in sounds).most_common(1)[0][0]
    lengths = np.array([s.seconds for s in sounds])
    long = float(np.quantile(lengths, 0.99))
    step = 0.5 if long < 5 else 1.0
    seconds = float(np.clip(np.ceil(long / step - 0.02) * step, 0.5, 30))
    options = {"rate": min(rate, 16000), "seconds": seconds}
    seen = f"sounds of {lengths.min():.1f} to {lengths.max():.1f} s at {rate} Hz"
    return options, seen + (f"; the first {seconds:g} s are heard" if long > seconds else "")
