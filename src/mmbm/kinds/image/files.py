"""Header data of an image file."""

import re
from typing import NamedTuple

import numpy as np

from mmbm.cells import media
from mmbm.errors import BadCell
from mmbm.kinds.image.column import DAMAGE, open_picture, reason

ENDINGS = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?|avif|jp2|p[pgn]m|heic|svg)")
MAX_PIXELS = 30_000_000
"""Of an image that is decoded to find its bit depth."""
PICTURES = ("a JPEG picture", "a PNG picture", "a GIF picture", "a WebP picture")


class Picture(NamedTuple):
    width: int
    height: int
    grey: bool
    peak: int = 0  # the largest gray value of an image of more than 8 bits


def look(data: bytes) -> Picture | None:
    """The size of an image, from its header. None: it is no image. Raises BadCell if it is
    damaged."""
    try:
        with open_picture(data) as picture:
            grey = picture.mode in ("1", "L", "LA") or picture.mode.startswith(("I", "F"))
            deep = picture.mode.startswith("I") and picture.width * picture.height <= MAX_PIXELS
            peak = np.asarray(picture).max() if deep else 0
            return Picture(*picture.size, grey, int(peak))
    except DAMAGE as error:
        if media.name_format(data[:512]) in PICTURES:
            raise BadCell(reason(data, error)) from error
        return None
