"""Parse a cell of several numbers into a numpy array: lists, arrays, and lists as text.

[0.1, 0.2]   "[0.1, 0.2]"   "[0.1 0.2]"   "{0.1,0.2}"   "array([0.1, 0.2])"   ──►   float64 [2]
"""

import math
import re
from typing import Any

import numpy as np

from mmbm.cells.lists import is_list
from mmbm.cells.values import as_array, describe, is_array
from mmbm.errors import BadCell

WRITTEN = 40
"""Characters of a number and what is around it, at most on average."""
_WRAPPED = re.compile(r"(?:array|tensor|tuple|list)\((.*?)(?:,\s*dtype=[\w.]+)?\)", re.DOTALL)


def is_absent(cell: Any) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def numbers(cell: Any, most: int) -> np.ndarray:
    """The numbers of a cell that isn't absent, float64 [N], which may be NaN or infinite. Raises
    BadCell: it is no plain list of numbers, or has more than `most`."""
    if isinstance(cell, bytes):
        try:
            cell = cell.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadCell("is bytes that are not UTF-8 text") from error
    if isinstance(cell, str):
        return _written(cell, most)
    if is_array(cell):
        array = as_array(cell)
        if array.ndim != 1 or array.dtype.kind not in "fiu":
            raise BadCell(f"is {describe(array)}, not a list of numbers")
        _check_count(len(array), most)
        return array.astype(np.float64)
    if not isinstance(cell, list | tuple):
        raise BadCell(f"is {describe(cell)}, not a list of numbers")
    _check_count(len(cell), most)
    for place, item in enumerate(cell, start=1):
        if isinstance(item, bool) or not isinstance(item, int | float | np.number):
            what = "nothing" if item is None else describe(item)
            raise BadCell(f"has {what} at place {place} of {len(cell)}, where a number belongs")
    try:
        return np.array(cell, np.float64)
    except OverflowError as error:
        raise BadCell("has a number that is too large") from error


def _written(text: str, most: int) -> np.ndarray:
    text = text.strip()
    if len(text) > WRITTEN * most:
        raise BadCell(f"has {len(text)} characters, more than a list of {most} numbers")
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[1].strip()
    if not is_list(text):
        raise BadCell(f"is {text[:40]!r}, not a list of numbers such as [0.5, -1.2]")
    inside = text[1:-1].strip()
    if "..." in inside or "…" in inside:
        raise BadCell("was cut by the program that wrote it (...); write all of its numbers")
    if "[" in inside or "{" in inside or "(" in inside:
        raise BadCell(f"is {text[:40]!r}, lists within a list")
    items = re.split(r"\s*,\s*|\s+", inside) if inside else []
    _check_count(len(items), most)
    try:
        return np.array([float(item) for item in items])
    except ValueError as error:
        wrong = next(i for i, item in enumerate(items) if not _is_float(item))
        raise BadCell(
            f"has {items[wrong][:40]!r} at place {wrong + 1} of {len(items)}, where a number "
            "belongs"
        ) from error


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise BadCell(f"has {count} numbers, more than {most}")


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
