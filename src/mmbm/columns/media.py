"""Where a picture or a sound is, and its bytes: what image and audio columns share.

Reasons are clauses that follow a row, a column and a path: "the file does not exist".
"""

import base64
import binascii
import math
import re
import stat
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from mmbm.errors import BadCell

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a drive


def locate(cell: Any, root: Path | None, max_bytes: int | None = None) -> bytes | Path | None:
    """The bytes of a media cell or the file that holds them; None if the cell is absent.

    A cell is bytes, a data URI, a path (relative to `root`), a URL that fsspec reads, or the
    {"bytes", "path"} of a Hugging Face dataset. With `root` None, as in a server, only bytes given
    in the cell itself (also as base64) are accepted: nothing is ever opened. Raises BadCell.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell)
    if isinstance(cell, dict):
        inside = cell.get("bytes")
        return locate(cell.get("path") if inside is None else inside, root, max_bytes)
    if isinstance(cell, Path):
        if root is None:
            raise BadCell("a path is not allowed here: send the bytes")
        return root / cell
    if not isinstance(cell, str):
        raise BadCell(f"is a {type(cell).__name__}, not a path, bytes or a data URI")
    if not cell.strip():
        return None
    if cell[:5].lower() == "data:":
        return _data_uri(cell)
    if root is None:
        return _plain_base64(cell)
    if _URL.match(cell):
        return _url(cell, max_bytes)
    return root / cell


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
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
        raise BadCell("is not a regular file")
    _check_size(status.st_size, max_bytes)


def name_format(head: bytes) -> str | None:
    """What a file that isn't what it should be seems to be, from its first bytes."""
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    low = start.lower()
    if head[4:8] == b"ftyp":
        heif = head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis")
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
    try:  # Line breaks are how MIME writes base64; any other foreign character is damage.
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _url(url: str, max_bytes: int | None) -> bytes | Path:
    if url[:7].lower() == "file://":
        try:
            return Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        except (ValueError, urllib.error.URLError) as error:
            raise BadCell(f"is a file URL that can't be understood ({error})") from error
    try:
        import fsspec
    except ImportError as error:
        raise BadCell("is a URL; to read it: pip install fsspec") from error
    try:
        with fsspec.open(url, "rb") as file:
            return file.read() if max_bytes is None else file.read(max_bytes + 1)  # type: ignore
    except ImportError as error:  # fsspec names the package that this protocol needs
        raise BadCell(f"is a URL that can't be read: {error}") from error
    except (OSError, ValueError, RuntimeError, EOFError, *_client_errors()) as error:
        text = str(error) or type(error).__name__
        raise BadCell(f"is a URL that can't be read ({text[:200]})") from error


def _client_errors() -> tuple[type[Exception], ...]:
    """fsspec lets the errors of its HTTP client through, and they aren't OSErrors."""
    client = sys.modules.get("aiohttp")
    return (client.ClientError,) if client else ()
