"""Convert Python objects in cells: the single place that recognizes their types.

    PIL image · image array   ──► PNG bytes          {"array", "sampling_rate"} ──► WAV bytes
    {"bytes", "path"} · ["a.png"] ──► what is inside      anything else ──► named, by `describe`

numpy, torch and Pillow objects are recognized by their methods, without an import of the three.
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmbm.errors import BadCell

SIMPLE = (str, bytes, bytearray, int, float, bool, type(None))
CHANNELS = (1, 3, 4)
RATES = (100, 1_000_000)
"""Plausible sampling rates in Hz; others are damage, and a resampler would need huge filters."""
UNREADABLE = "unreadable"
"""Key of the placeholder in a table for an object that has no text and no number."""


def from_python(cell: Any) -> Any:
    """A Python table's cell in a form for Arrow. A value without a plain form is kept unchanged."""
    if isinstance(cell, SIMPLE):
        return cell
    if isinstance(cell, Path):
        return str(cell)
    if is_picture(cell):
        return _png(cell)
    if is_array(cell):
        array = as_array(cell)
        if is_pixels(array):
            return _png(array)
        if array.ndim == 3 or (array.ndim == 2 and array.dtype.kind not in "fiu"):
            return {UNREADABLE: describe(array)}
        return array.item() if array.ndim == 0 else array.tolist()
    if isinstance(cell, dict):
        return {str(key): from_python(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [from_python(item) for item in cell]
    if isinstance(cell, set | frozenset):
        return sorted((from_python(item) for item in cell), key=str)
    if type(cell).__str__ is object.__str__ and type(cell).__repr__ is object.__repr__:
        return {UNREADABLE: f"a {type(cell).__name__} object"}
    return cell


def single(cell: Any) -> Any:
    """A cell of a row given in Python: pandas' marks of absence are None, an array of no dimension
    its number."""
    if isinstance(cell, SIMPLE):
        return cell
    if type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if is_array(cell) and cell.shape == ():
        try:
            return as_array(cell).item()
        except BadCell:  # the column reports its type
            return cell
    return cell


def media(cell: Any) -> Any:
    """The content of a media cell: bytes, text, a Path, or None if it is absent. Raises BadCell
    that names its type otherwise."""
    while True:
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return None
        if isinstance(cell, str | Path):
            return cell
        if isinstance(cell, bytes | bytearray | memoryview):
            return bytes(cell)
        if isinstance(cell, dict):
            if {"array", "sampling_rate"} <= set(cell):
                return _wav(cell["array"], cell["sampling_rate"])
            if not {"bytes", "path"} & set(cell):
                raise BadCell(f"is {describe(cell)}; {READ}")
            inside = cell.get("bytes")
            if isinstance(inside, str):
                return f"data:;base64,{inside}"  # as JSON has bytes; never a path
            cell = cell.get("path") if inside is None else inside
        elif is_picture(cell):
            return _png(cell)
        elif is_array(cell) and is_pixels(array := as_array(cell)):
            return _png(array)
        elif isinstance(cell, list | tuple) and (not cell or _is_one_medium(cell)):
            cell = cell[0] if cell else None
        else:
            raise BadCell(f"is {describe(cell)}; {READ}")


def _is_one_medium(cell: Sequence[Any]) -> bool:
    """A list of one path, image or the like, as in datasets of several images."""
    first = cell[0]
    one = isinstance(first, str | Path) or is_media(first) or is_picture(first) or is_array(first)
    return len(cell) == 1 and one


PIXELS = (
    " (pixels are uint8 from 0 to 255 [H, W] or [H, W, 3], or floats from 0 to 1 [H, W, 3]; if it "
    "is a picture: .astype('uint8'))"
)
READ = (
    "a media cell is a path, a URL, bytes, a data URI, {bytes, path}, {array, sampling_rate}, a "
    "PIL image or an array of pixels"
)


def is_picture(cell: Any) -> bool:
    """A Pillow image."""
    return type(cell).__module__.partition(".")[0] == "PIL" and hasattr(cell, "getbands")


def is_array(cell: Any) -> bool:
    """numpy's, torch's, or another library's array."""
    return hasattr(cell, "__array__") and hasattr(cell, "shape") and not is_picture(cell)


def as_array(cell: Any) -> np.ndarray:
    """On the processor, without a gradient. Raises BadCell."""
    for step in ("detach", "cpu"):
        cell = getattr(cell, step)() if hasattr(cell, step) else cell
    try:
        return np.asarray(cell)
    except (TypeError, ValueError, RuntimeError) as error:  # bfloat16, say
        raise BadCell(f"is an array that numpy can't read ({str(error)[:80]})") from error


def is_pixels(array: np.ndarray) -> bool:
    """uint8 or truth values [H, W], [H, W, C] or [C, H, W], or floats from 0 to 1 of three axes."""
    if array.ndim not in (2, 3) or 0 in array.shape:
        return False
    if array.ndim == 3 and not {array.shape[0], array.shape[2]} & set(CHANNELS):
        return False
    if array.dtype in (np.uint8, np.bool_):
        return True
    if array.ndim == 2 and array.dtype == np.uint16:
        return True
    unit = array.dtype.kind == "f" and array.ndim == 3
    return bool(unit and np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1)


def describe(cell: Any) -> str:
    """Describe a cell's type as a clause: "lists of 8 numbers" follows "its cells are"."""
    if is_picture(cell):
        return "a PIL image"
    if is_array(cell):
        what = f"an array of shape {tuple(cell.shape)} and type {cell.dtype}"
        return what + PIXELS if len(cell.shape) in (2, 3) else what
    if isinstance(cell, dict) and UNREADABLE in cell:
        return cell[UNREADABLE]
    if isinstance(cell, dict):
        keys = ", ".join(map(str, list(cell)[:6])) + (", …" if len(cell) > 6 else "")
        return f"an object with the keys {keys}" if cell else "an empty object"
    if isinstance(cell, list | tuple | set):
        return _describe_list(list(cell))
    if isinstance(cell, bytes | bytearray):
        return f"{len(cell)} bytes"
    return f"a {type(cell).__name__}"


def _describe_list(cell: list[Any]) -> str:
    if not cell:
        return "an empty list"
    if all(_is_number(item) for item in cell):
        whole = all(isinstance(item, int) for item in cell)
        return f"a list of {len(cell)} numbers" + ("" if whole else " (an embedding?)")
    if all(isinstance(item, dict) for item in cell):
        keys = {str(key) for item in cell for key in item}
        if {"role", "content"} <= keys or {"from", "value"} <= keys:
            return "a list of chat messages"
        return f"a list of objects with the keys {', '.join(sorted(keys)[:6])}"
    if all(isinstance(item, list | tuple) for item in cell):
        return f"a list of {len(cell)} lists" + (PIXELS if any(map(_has_numbers, cell)) else "")
    if all(isinstance(item, bytes) for item in cell):
        return f"a list of {len(cell)} byte strings"
    return f"a list of {len(cell)} items"


def is_media(cell: Any) -> bool:
    """Bytes, or an object that `media` reads."""
    if isinstance(cell, dict):
        return bool({"bytes", "path"} & set(cell)) or {"array", "sampling_rate"} <= set(cell)
    return isinstance(cell, bytes | bytearray)


def is_labels(cell: Sequence[Any]) -> bool:
    """A list whose items may be names of labels: no objects, and no measurements."""
    return all(
        item is None
        or isinstance(item, str | bytes | bool | int | np.integer | np.bool_)
        or (isinstance(item, float | np.floating) and (item.is_integer() or math.isnan(item)))
        for item in cell
    )


def _has_numbers(item: Any) -> bool:
    """Of a row of pixels, or of pixels of several channels."""
    first = next(iter(item), None)
    return _is_number(next(iter(first), None) if isinstance(first, list | tuple) else first)


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)


def _png(picture: Any) -> bytes:
    from PIL import Image

    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(_pixels(picture))
    elif picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        if picture.mode in ("I", "F"):
            raise BadCell(f"is a PIL image of mode {picture.mode}: save it to a file, as TIFF")
        picture = picture.convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _pixels(array: np.ndarray) -> np.ndarray:
    """[H, W] or [H, W, C], as Pillow takes it; torch has the channels first."""
    if array.ndim == 3 and array.shape[2] not in CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype.kind == "f":
        array = np.rint(array * 255).astype(np.uint8)
    return np.ascontiguousarray(array)


def _wav(samples: Any, rate: Any) -> bytes:
    """Audio in the format of Hugging Face's datasets: floats from -1 to 1, or 16-bit integers."""
    import soundfile

    try:
        array = np.asarray(samples)
        rate = int(rate)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadCell(f"is {{array, sampling_rate}} that can't be read ({error})") from error
    if not RATES[0] <= rate <= RATES[1]:
        raise BadCell(
            f"claims {str(rate)[:20]} samples a second; {RATES[0]} to {RATES[1]} are read"
        )
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T  # [C, T], as in torch
    if array.dtype.kind not in "fi" or array.ndim not in (1, 2) or not array.size or rate < 1:
        raise BadCell(
            f"is a sound whose array has shape {array.shape} and type {array.dtype}, at {rate} Hz"
        )
    if array.dtype.kind == "i" and np.abs(array.astype(np.float64)).max() > 32768:
        raise BadCell("is a sound of integers beyond 16 bits")
    array = array.astype(np.int16 if array.dtype.kind == "i" else np.float32)
    buffer = io.BytesIO()
    try:
        kind = "PCM_16" if array.dtype == np.int16 else "FLOAT"
        soundfile.write(buffer, array, rate, format="WAV", subtype=kind)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        raise BadCell(f"is {{array, sampling_rate}} that can't be read ({error})") from error
    return buffer.getvalue()
