"""Locate and read the bytes of an image or audio cell: shared by image and audio columns.

Reasons are clauses that follow a row, a column and a path: "the file does not exist".
"""

import base64
import binascii
import re
import stat
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

from mmbm.cells import paths, urls
from mmbm.cells import values as cells
from mmbm.errors import BadCell

MAX_BYTES = 100_000_000
"""Default limit of a URL's content; the same as `max_bytes` of a media input."""

# How base64 of the usual formats begins: JPEG, PNG, GIF, RIFF (WAV, WebP), Ogg, FLAC, MP3, TIFF.
_ENCODED = re.compile(r"/9j/|iVBORw0KGgo|R0lGOD|UklGR|T2dnU|ZkxhQ|SUQz|SUkqA|TU0AK")


class Remote(NamedTuple):
    """A media cell behind a URL, not read yet."""

    url: str
    root: Path  # base folder of local paths in the URL
    max_bytes: int

    def read(self) -> bytes | Path:
        """At most `max_bytes` + 1 of its bytes. Raises BadCell."""
        return urls.read(self.url, self.root, self.max_bytes)

    def identity(self) -> str:
        """Identifies it without reading: the URL and, for a local archive, its time of change."""
        return f"{self.url}|{urls.stamp(self.url, self.root)}"


def locate(cell: Any, root: Path | None, max_bytes: int | None = None) -> bytes | Path | None:
    """The bytes of a media cell or the file that holds them; None if the cell is absent.

    A cell is a value that `columns.cell.media` reads: bytes, a data URI or plain base64, a path
    (relative to `root`), a URL that fsspec reads, or one of Python's objects. With `root` None, as
    in a server, only bytes given in the cell itself are accepted: nothing is ever opened. Raises
    BadCell.
    """
    cell = cells.media(cell)
    if cell is None or isinstance(cell, bytes):
        return cell
    if isinstance(cell, Path):
        if root is None:
            raise BadCell("a path is not allowed here: send the bytes")
        return root / cell
    text = cell.strip()
    if not text:
        return None
    if text[:5].lower() == "data:":
        return _data_uri(text)
    if root is None:
        return _plain_base64(text)
    if urls.is_url(text):
        return urls.read(text, root, max_bytes or MAX_BYTES)
    if is_encoded(text):
        return _plain_base64(text)
    return paths.find(cell, root)


def remote_url(cell: Any) -> str | None:
    """The URL that `locate` would read for this cell, over the network or out of an archive; None
    where it would read none."""
    while isinstance(cell, dict | list | tuple):
        if isinstance(cell, dict):
            cell = cell.get("path") if cell.get("bytes") is None else None
        else:
            cell = cell[0] if len(cell) == 1 else None
    if not isinstance(cell, str) or cell.strip()[:5].lower() == "data:":
        return None
    return cell.strip() if urls.is_remote(cell) else None


def is_encoded(text: str) -> bool:
    """Base64 of an image or audio file, recognized by its beginning; no path is that long."""
    return len(text) > 64 and bool(_ENCODED.match(text)) and " " not in text[:64]


def read(cell: bytes | Path, max_bytes: int) -> bytes:
    """The bytes of a located cell, at least one and at most `max_bytes`. Raises BadCell."""
    if isinstance(cell, Path):
        check(cell, max_bytes)
        try:
            cell = cell.read_bytes()
        except OSError as error:
            raise BadCell(f"the file can't be read ({error.strerror or error})") from error
    _check_size(len(cell), max_bytes)
    return cell


def check(path: Path, max_bytes: int) -> None:
    """Raises BadCell unless `path` is a file of 1 to `max_bytes` bytes. Reads none of them."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadCell("the file does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise BadCell(f"the file can't be read ({reason})") from error
    if stat.S_ISDIR(status.st_mode):
        raise BadCell("is a folder")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may block forever
        raise BadCell("is not a regular file")
    _check_size(status.st_size, max_bytes)


HEIF = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis")
"""Brands of Apple's image formats, which Pillow reads only with the package pillow-heif."""


def name_format(head: bytes) -> str | None:
    """The likely type of an unexpected file, from its first bytes."""
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    low = start.lower()
    if head[4:8] == b"ftyp":
        heif = head[8:12] in HEIF
        return "a HEIC picture" if heif else "an MP4 or QuickTime file"
    if head[:4] == b"RIFF":
        return {b"WAVE": "a WAV sound", b"WEBP": "a WebP picture"}.get(head[8:12], "a RIFF file")
    if low.startswith(b"<svg") or (low.startswith(b"<?xml") and b"<svg" in low):
        return "an SVG drawing"
    for magic, name in _MAGIC.items():
        if low.startswith(magic):
            return name
    return None


_MAGIC = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89png": "a PNG picture",
    b"gif8": "a GIF picture",
    b"%pdf": "a PDF document",
    b"%!ps": "a PostScript document",
    b"8bps": "a Photoshop document",
    b"pk\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"flac": "a FLAC sound",
    b"oggs": "an Ogg sound",
    b"id3": "an MP3 sound",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM file",
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull`",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"#extm3u": "a playlist",
    b"{": "JSON",
}


def _check_size(size: int, max_bytes: int) -> None:
    if size == 0:
        raise BadCell("is empty (0 bytes)")
    if size > max_bytes:
        raise BadCell(f"has {size} bytes, more than max_bytes={max_bytes}")


def _data_uri(uri: str) -> bytes:
    head, comma, payload = uri.partition(",")
    if not comma:
        raise BadCell("is a data URI without a comma before its data")
    if not head.lower().rstrip().endswith(";base64"):
        return urllib.parse.unquote_to_bytes(payload)
    data = _base64(urllib.parse.unquote(payload) if "%" in payload else payload)
    if data is None:
        raise BadCell("is a data URI with malformed base64")
    return data


def _plain_base64(text: str) -> bytes:
    data = _base64(text)
    if data is None:
        raise BadCell("is neither base64 nor a data URI (a path or URL is not allowed here)")
    return data


def _base64(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        pass
    if "-" in text or "_" in text:  # the alphabet that URLs have
        text = text.replace("-", "+").replace("_", "/")
    try:  # Line breaks occur in MIME's base64; any other foreign character is damage.
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
