"""Infer image columns, and the size and channels that suit them."""

from typing import TYPE_CHECKING

import numpy as np

from mmbm.kinds.guess import ColumnGuess, Options
from mmbm.kinds.image.files import Picture

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

LEAST_ROWS = 3000
"""Train rows from which a larger encoder than tiny learns more."""
SIDE = 160
"""Pixels of an image's longer side: as accurate as the 224 of its pretraining, in less time."""
STEP = 32
"""Pixels of an image for each position of the encoder's feature map."""
LEAST_SIDE = 64
"""Pixels of an image's longer side below which upscaling doesn't help."""


def infer(sample: "Sample") -> ColumnGuess | None:
    pictures = [seen for seen in sample.files.seen.values() if isinstance(seen, Picture)]
    if not pictures:
        return None
    width, height = (int(np.median([p[i] for p in pictures])) for i in (0, 1))
    grey = sum(p.grey for p in pictures) >= 0.98 * len(pictures)
    options: Options = {"size": _size(pictures, width, height)}
    if grey:
        options["channels"] = 1
    bits, notes = _bits(pictures), ()
    if bits < 16:
        options["bits"] = bits
        notes = (f"{sample.name}: its pixels have {bits} bits of 16, so bits: {bits}.",)
    options["augment"] = {"crop": 0.08}  # the position of an object in an image seldom matters
    sizes = {(p.width, p.height) for p in pictures}
    seen = f"{width}x{height}" if len(sizes) == 1 else f"about {width}x{height}, of several sizes"
    why = f"pictures, {seen}, {'grey' if grey else 'colour'}{sample.files.unread()}"
    return ColumnGuess(
        "image", why, options, notes=(*sample.files.notes(sample.name), *notes), may_share=True,
        extent=(width, height), few_rows=few_rows, frozen=frozen,
    )  # fmt: skip


def _size(pictures: list[Picture], width: int, height: int) -> int | list[int]:
    """Small images keep their pixels; a wide one may be 96 long, to keep some height."""
    shapes = np.array([p.width / p.height for p in pictures])
    alike = shapes.max() <= 1.05 * shapes.min()
    longest = max(width, height)
    if alike and not 0.8 <= width / height <= 1.25:
        scale = min(1.0, 96 / longest)
        return [max(8, 8 * round(side * scale / 8)) for side in (height, width)]
    return longest if longest <= 64 else 64


def _bits(pictures: list[Picture]) -> int:
    """Of the image with the most gray levels: cameras and scanners give 10, 12 and 14 bits."""
    peak = max(p.peak for p in pictures)
    if peak <= 255:  # eight bits, or unknown
        return 16
    return next((bits for bits in (10, 12, 14) if peak < 2**bits), 16)


def few_rows(options: Options, rows: int, long: bool) -> Options:
    """With few rows a small encoder learns as much, in less than half of the time."""
    if rows >= LEAST_ROWS or long or "encoder" in options:
        return options
    return {**options, "encoder": {"kind": "cnn", "size": "tiny"}}


def frozen(guess: ColumnGuess, sample: "Sample") -> Options | None:
    """Not for gray or tiny images; without `augment`, so that each is encoded once."""
    if max(guess.extent or (0,)) < LEAST_SIDE or guess.options.get("channels") == 1:
        return None
    size = guess.options["size"]
    if isinstance(size, list):
        size = [max(STEP, STEP * round(side * SIDE / max(size) / STEP)) for side in size]
    else:
        size = SIDE
    kept = {k: v for k, v in guess.options.items() if k not in ("size", "augment")}
    return {"size": size, **kept}
