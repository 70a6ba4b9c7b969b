"""Resolve the path of a file in a table, with common spelling errors.

The literal path has priority. Only if there is no such file are usual errors undone: blanks and
quotes around it, backslashes, %20, a ?query, and letters composed or decomposed (NFC, NFD).
"""

import os
import unicodedata
import urllib.parse
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

QUOTES = "\"'“”‘’`"


def find(text: str, root: Path) -> Path:
    """The file; if none of the variants exists, the literal path."""
    asked = root / text
    if _exists(asked):
        return asked
    return next((path for path in _readings(text, root) if _exists(path)), root / tidy(text))


def tidy(text: str) -> str:
    """Without the blanks and quotes around it."""
    return text.strip().strip(QUOTES).strip() or text


def is_absolute(text: str) -> bool:
    """Of this system or of Windows."""
    return os.path.isabs(tidy(text)) or PureWindowsPath(tidy(text)).is_absolute()


def _readings(text: str, root: Path) -> Iterator[Path]:
    plain = tidy(text)
    turned = plain.replace("\\", "/")
    bare = turned.partition("?")[0]  # of a URL whose host was cut off
    for one in dict.fromkeys((plain, turned, *map(urllib.parse.unquote, (turned, bare)))):
        yield root / one
        for form in ("NFC", "NFD"):
            yield root / unicodedata.normalize(form, one)
            yield Path(unicodedata.normalize(form, str(root / one)))


def _exists(path: Path) -> bool:
    try:
        return os.path.exists(path)
    except ValueError:  # a zero byte in the path
        return False
