"""An image cell -> uint8 [H, W, C] at the configured size."""

import struct
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from mmbm.cells import media
from mmbm.errors import BadCell
from mmbm.kinds.column import Cell, Description, State, Storage
from mmbm.kinds.image.spec import ImageSpec
from mmbm.kinds.pretrained import read_picture_model

# Formats with a signature and a decoder that reads only the bytes given (no EPS, which starts
# Ghostscript, and no formats without a signature, such as TGA).
FORMATS = (
    "JPEG",
    "PNG",
    "GIF",
    "WEBP",
    "AVIF",
    "BMP",
    "DIB",
    "TIFF",
    "PPM",
    "JPEG2000",
)

# Exceptions that Pillow's decoders are known to raise on damaged bytes.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,  # exceptions where warnings are errors
)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # EXIF tag


class ImageColumn:
    """An image in any format of `FORMATS` -> uint8 [height, width, channels].

    The first frame of an animation, in EXIF orientation, on white where it is transparent.

    State: with a pretrained encoder its `config` and `preprocessor` under `pretrained`, and
    `resample`, the number of Pillow's resampling filter.
    """

    version = 1
    not_decoding: ClassVar = frozenset({"pretrained"})

    def __init__(self, spec: ImageSpec, state: State | None = None):
        self.spec = spec
        self.state: State = state or {}
        self.storage = Storage("uint8", (spec.height, spec.width, spec.channels))

    def fit(self, cells: Iterable[Cell]) -> State:
        """Reads a pretrained encoder's preprocessing; nothing is learned from the cells."""
        encoder: Any = self.spec.encoder
        if encoder.raw:
            learned = read_picture_model(self.spec, encoder)
            how = learned["preprocessor"].get("resample", Image.Resampling.BICUBIC)
            self.state = {"pretrained": learned, "resample": int(how)}
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """bytes or Path -> uint8 [H, W, C]; None if absent. BadCell if truncated or damaged."""
        source = cell if isinstance(cell, Path) else media.locate(cell, root=None)
        if source is None:
            return None
        data = media.read(source, self.spec.max_bytes)
        try:
            return self._decode(data)
        except DAMAGE as error:
            raise BadCell(reason(data, error)) from error

    def _decode(self, data: bytes) -> np.ndarray:
        spec = self.spec
        with open_picture(data) as picture:
            width, height = picture.size
            if width * height > spec.max_pixels:
                raise BadCell(
                    f"has {width}x{height} pixels, more than max_pixels={spec.max_pixels}"
                )
            # A JPEG can be decoded at 1/2, 1/4 or 1/8. At three times the size asked for (its
            # longer side: the image may be rotated) it differs from a full decode by 0.2 grey
            # levels on average, and takes a quarter of the time.
            side = 3 * max(spec.height, spec.width)
            picture.draft(None, (side, side))
            picture.load()
            upright = _upright(picture)
        flat = _flat(upright, "L" if spec.channels == 1 else "RGB", spec.bits)
        how = Image.Resampling(self.state.get("resample", Image.Resampling.BICUBIC))
        fitted = _fit(flat, spec, how)
        return np.asarray(fitted, dtype=np.uint8).reshape(self.storage.shape)

    def describe(self) -> Description:
        text = "A picture (JPEG, PNG, WebP, …) as base64 or a data URI."
        schema: dict[str, Any] = {
            "type": "string",
            "contentEncoding": "base64",
            "contentMediaType": "image/*",
            "description": text,
        }
        return Description(schema, "image/*", "image")


def open_picture(data: bytes) -> Image.Image:
    """Open without decoding. HEIC, which Pillow lacks, by pillow-heif. Raises BadCell, or one of
    Pillow's exceptions in `DAMAGE`."""
    if data[4:8] != b"ftyp" or data[8:12] not in media.HEIF:
        return Image.open(BytesIO(data), formats=FORMATS)
    try:
        import pillow_heif  # type: ignore[import-not-found]
    except ModuleNotFoundError as error:
        raise BadCell(
            "is a HEIC picture; to read it: pip install pillow-heif, or save it as JPEG"
        ) from error
    return pillow_heif.open_heif(BytesIO(data)).to_pillow()


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    except DAMAGE:  # unreadable EXIF doesn't make the image unreadable
        turn = None
    return picture if turn is None else picture.transpose(turn)


def _flat(picture: Image.Image, mode: str, bits: int) -> Image.Image:
    """Any of Pillow's pixel modes -> 8-bit `mode`, white behind what is transparent."""
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray(_to_8_bit(np.asarray(picture), bits))
    elif "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        picture = Image.alpha_composite(white, clear)
    elif picture.mode == "P":
        picture = picture.convert("RGB")
    return picture.convert(mode)


def _to_8_bit(pixels: np.ndarray, bits: int) -> np.ndarray:
    """16-bit, 32-bit or float gray [H, W] -> uint8 by the range that such files use, never clipped.

    Integers range to 2^bits - 1; floats to 1, 255 or 65535, the least of these that fits.
    """
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 65535):  # also NaN
        raise BadCell(f"has pixel values from {low:g} to {high:g}: save it with 8 or 16 bits")
    if pixels.dtype.kind != "f" or high > 255:
        full = 2**bits - 1
    else:
        full = 1 if high <= 1 else 255
    if high > full:
        raise BadCell(f"has pixel values up to {high:g}, more than bits: {bits} can hold ({full})")
    return np.rint(pixels * (255.0 / full)).astype(np.uint8)


def _fit(picture: Image.Image, spec: ImageSpec, how: Image.Resampling) -> Image.Image:
    """Resize to [spec.height, spec.width]: the whole image, with bars, or its center crop."""
    width, height = picture.size
    if spec.resize == "stretch":
        return _resize(picture, spec.width, spec.height, None, how)
    across, down = spec.width / width, spec.height / height
    if spec.resize == "crop":
        scale = max(across, down)
        w, h = min(width, spec.width / scale), min(height, spec.height / scale)
        left, top = (width - w) / 2, (height - h) / 2
        return _resize(picture, spec.width, spec.height, (left, top, left + w, top + h), how)
    scale = min(across, down)
    w = min(spec.width, max(1, round(width * scale)))
    h = min(spec.height, max(1, round(height * scale)))
    bars = Image.new(picture.mode, (spec.width, spec.height))  # black, as in letterboxing
    bars.paste(_resize(picture, w, h, None, how), ((spec.width - w) // 2, (spec.height - h) // 2))
    return bars


def _resize(
    picture: Image.Image, width: int, height: int, box: Any, how: Image.Resampling
) -> Image.Image:
    if picture.size == (width, height) and box is None:
        return picture
    # Averaging boxes down to three times the size first halves the time; the result differs by 0.4
    # grey levels on average.
    return picture.resize((width, height), how, box, reducing_gap=3.0)


def reason(data: bytes, error: BaseException) -> str:
    """Why these bytes are no image, from the exception that Pillow raised."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "has more pixels than are safe to decode"
    found = media.name_format(data[:512])
    if isinstance(error, UnidentifiedImageError):
        if found and "run `git" in found:
            return f"is {found}"
        return f"is {found}, which can't be read as a picture" if found else "is not a picture"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    what = found or "a picture"
    return f"is {what} that is damaged or cut off ({str(error)[:120] or type(error).__name__})"
