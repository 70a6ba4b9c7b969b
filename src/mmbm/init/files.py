"""What the files of a media column are like: a few are opened."""

import re
from collections import Counter
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import soundfile

from mmbm.cells import media, paths, urls
from mmbm.cells.notation import USUAL
from mmbm.cells.values import describe
from mmbm.console import heartbeat
from mmbm.errors import BadCell
from mmbm.init.sample import Sample
from mmbm.kinds.audio.column import MAX_CHANNELS, read_wave
from mmbm.kinds.image.column import DAMAGE, open_picture, reason

OPENED = 48
"""Files of a column that are opened."""
ENOUGH = 3
"""URLs that fail before the others aren't tried."""
MAX_BYTES = 100_000_000
MAX_PIXELS = 30_000_000
"""Of a picture that is decoded to see how many bits it uses."""
PICTURES = ("a JPEG picture", "a PNG picture", "a GIF picture", "a WebP picture")
PEAK_OF = 200_000
"""Frames of a sound whose peak is measured: a header may claim any number of them."""
QUIET = 2**-13
"""A peak of 32-bit samples below it: they have the scale of 16 bits, or less."""
LOUD = 8.0
"""A peak of float samples above it isn't an overload any more, but another scale."""
IMAGES = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?|avif|jp2|p[pgn]m|heic|svg)")
SOUNDS = re.compile(r"\.(wav|flac|mp3|ogg|opus|m4a|aac|aiff?|au|wma|webm|amr|caf)")
VIDEOS = re.compile(r"\.(mp4|mov|avi|mkv|mpe?g|m4v|wmv)")


class Picture(NamedTuple):
    width: int
    height: int
    grey: bool
    peak: int = 0  # the largest grey value of a picture of more than 8 bits


class Sound(NamedTuple):
    rate: int
    seconds: float
    subtype: str = ""  # as libsndfile names how samples are stored: PCM_16, FLOAT
    peak: float = 0.0  # of the first seconds, 1 is full scale


class Problem(NamedTuple):
    """A cell that can't be read."""

    row: int  # 1 is the first
    cell: Any
    reason: str

    def __str__(self) -> str:
        shown = self.cell if isinstance(self.cell, str) else describe(self.cell)
        return f"row {self.row}, {shown[:80]}: {self.reason}"

    def sentence(self, root: Path) -> str:
        """What is wrong and what to do."""
        text = f"The first is {self}"
        if "does not exist" not in self.reason:
            return f"{text}."
        if isinstance(self.cell, str) and paths.is_absolute(self.cell):
            return (
                f"{text}. It is an absolute path, perhaps of another machine: write paths relative "
                "to the table, and say where they begin (--root, data.root)."
            )
        return f"{text} under {root}. Is the folder right (--root, data.root)?"


class Files(NamedTuple):
    """What was found in the files of one column."""

    kind: str  # image | audio; empty if none could be read
    seen: dict[int, Picture | Sound]  # by position in the sample
    problems: list[Problem]

    @property
    def size(self) -> tuple[int, int]:
        """Median width and height of the pictures; zeros if there are none."""
        pictures = [p for p in self.seen.values() if isinstance(p, Picture)]
        if not pictures:
            return 0, 0
        width, height = (int(np.median([p[i] for p in pictures])) for i in (0, 1))
        return width, height

    def notes(self, name: str) -> tuple[str, ...]:
        """What the user should know of how they are read."""
        bits, gain = _bits(self), _gain(self)
        notes = []
        if bits < 16:
            notes.append(f"{name}: its pixels have {bits} bits of 16, so bits: {bits}.")
        if gain != 1:
            scale = "far beyond" if gain < 1 else "far below"
            notes.append(
                f"{name}: its samples are {scale} full scale, so gain: {gain:.12g} scales them."
            )
        return tuple(notes)


def by_name(cell: Any) -> str | None:
    """image, audio, video or other for what is written like a file's path; None for what isn't."""
    if isinstance(cell, dict):
        return "audio" if "array" in cell else by_name(cell.get("path") or "")
    if isinstance(cell, list) and len(cell) == 1:
        return by_name(cell[0])
    if not isinstance(cell, str):
        return None
    if len(cell) < 40 and USUAL.fullmatch(cell):
        return None
    cell = paths.tidy(cell)
    if cell[:11].lower() in ("data:image/", "data:audio/"):
        return cell[5:10].lower()
    if media.is_encoded(cell):
        return "audio" if cell[:4] in ("T2dn", "Zkxh", "SUQz") else "image"
    if len(cell) > 2000 or "\n" in cell:
        return None
    if urls.is_url(cell):
        cell = re.split(r"[?#]|::", cell)[0]
    ending = PurePath(cell.partition("?")[0]).suffix.lower()
    for kind, endings in (("image", IMAGES), ("audio", SOUNDS), ("video", VIDEOS)):
        if endings.fullmatch(ending):
            return kind
    return "other" if "/" in cell and 2 <= len(ending) <= 6 and ending[1:].isalnum() else None


def open_some(sample: Sample) -> Files:
    """Open a few of the cells' files."""
    places = [i for i, cell in enumerate(sample.cells) if cell not in (None, "")]
    picks = np.linspace(0, len(places) - 1, min(OPENED, len(places))).astype(int)
    seen: dict[int, Picture | Sound] = {}
    problems: list[Problem] = []
    opened = heartbeat(picks, f"Opening files of {sample.name}", len(picks))
    for place in (places[i] for i in opened):
        cell = sample.cells[place]
        try:
            source = media.locate(cell, sample.root, MAX_BYTES)
            if source is not None:
                seen[place] = look(source)
        except BadCell as error:
            problems.append(Problem(int(sample.rows[place]) + 1, cell, error.reason))
            if not seen and len(problems) >= ENOUGH and "URL" in error.reason:
                break  # a network that isn't there
    if not seen:
        return Files("", {}, problems)
    kinds = Counter("image" if isinstance(s, Picture) else "audio" for s in seen.values())
    kind = kinds.most_common(1)[0][0]
    wanted = Picture if kind == "image" else Sound
    return Files(kind, {i: s for i, s in seen.items() if isinstance(s, wanted)}, problems)


def look(source: bytes | Path) -> Picture | Sound:
    """Size of a picture (its header is read), or rate and length of a sound. Raises BadCell."""
    data = media.read(source, MAX_BYTES)
    try:
        with open_picture(data) as picture:
            grey = picture.mode in ("1", "L", "LA") or picture.mode.startswith(("I", "F"))
            deep = picture.mode.startswith("I") and picture.width * picture.height <= MAX_PIXELS
            peak = np.asarray(picture).max() if deep else 0
            return Picture(*picture.size, grey, int(peak))
    except DAMAGE as error:
        if media.name_format(data[:512]) in PICTURES:
            raise BadCell(reason(data, error)) from error
    try:
        with soundfile.SoundFile(BytesIO(data)) as sound:
            heard = sound.channels <= MAX_CHANNELS  # else decoding says what is wrong
            start = sound.read(PEAK_OF if heard else 0, dtype="float32", always_2d=True)
            peak = float(np.abs(start).max(initial=0))
            return Sound(sound.samplerate, sound.frames / sound.samplerate, sound.subtype, peak)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, ZeroDivisionError):
        try:
            wave, rate = read_wave(BytesIO(data), 600.0, "start")
        except BadCell as error:
            if error.reason == "is not a sound":
                raise BadCell("is neither an image nor a sound") from error
            raise
        return Sound(rate, len(wave) / rate)


def image_options(files: Files) -> tuple[dict[str, Any], str]:
    """Size and channels that suit the pictures, and what was seen."""
    pictures = [p for p in files.seen.values() if isinstance(p, Picture)]
    width, height = files.size
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
    if (bits := _bits(files)) < 16:
        options["bits"] = bits
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
    options = {"sample_rate": min(rate, 16000), "seconds": seconds}
    if (gain := _gain(files)) != 1:
        options["gain"] = gain
    seen = f"sounds of {lengths.min():.1f} to {lengths.max():.1f} s at {rate} Hz"
    return options, seen + (f"; the first {seconds:g} s are heard" if long > seconds else "")


def _bits(files: Files) -> int:
    """Of the deepest grey picture: 10, 12 and 14 bits are what cameras and scanners give."""
    peak = max((p.peak for p in files.seen.values() if isinstance(p, Picture)), default=0)
    if peak <= 255:  # eight bits, or nothing that tells
        return 16
    return next((bits for bits in (10, 12, 14) if peak < 2**bits), 16)


def _gain(files: Files) -> float:
    """What brings samples saved at another scale to full scale; 1 if they are as they should be."""
    sounds = [s for s in files.seen.values() if isinstance(s, Sound)]
    peak = max((s.peak for s in sounds), default=0.0)
    subtypes = {s.subtype for s in sounds}
    if subtypes and subtypes <= {"FLOAT", "DOUBLE"} and peak > LOUD:
        return 1 / next((full for full in (2.0**15, 2.0**23) if peak <= full), 2.0**31)
    if subtypes and subtypes <= {"PCM_32", "PCM_24"} and 0 < peak < QUIET:
        return 2.0**16 if subtypes == {"PCM_32"} else 2.0**8
    return 1.0
