"""The bytes behind a URL in a cell, through fsspec: bounded, and every failure a BadCell."""

import binascii
import ftplib
import lzma
import re
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from pathlib import Path

from mmbm.cells import paths
from mmbm.errors import BadCell

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(?://|:)")  # two letters at least: C:// is a drive
_LOCAL = ("file://", "local://")

FAILURES = (
    OSError, ValueError, RuntimeError, EOFError, LookupError, TypeError, AttributeError,
    ArithmeticError, zipfile.BadZipFile, tarfile.TarError, ftplib.Error, lzma.LZMAError, zlib.error,
    binascii.Error,
)  # fmt: skip
"""Exceptions of fsspec's own file systems: few of them have one for a bad URL."""
_CLIENTS = {
    "aiohttp": ("ClientError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "google.auth.exceptions": ("GoogleAuthError",),
    "gcsfs.retry": ("HttpError",),
    "azure.core.exceptions": ("AzureError",),
    "paramiko": ("SSHException",),
    "requests": ("RequestException",),
    "httpx": ("HTTPError", "InvalidURL"),
    "httpx2": ("HTTPError", "InvalidURL"),
    "huggingface_hub.errors": ("HfHubHTTPError", "HFValidationError"),
    "pyarrow.lib": ("ArrowException",),
}
"""Exceptions of the packages that fsspec uses, by their module."""

UNREAD = "is a URL"
"""Beginning of the reason of a cell whose URL could not be read, but may be another time."""


def is_url(text: str) -> bool:
    return bool(_URL.match(text.strip().strip(paths.QUOTES)))


def is_remote(text: str) -> bool:
    """A URL of anything but a local file."""
    return is_url(text) and not paths.tidy(text).lower().startswith(_LOCAL)


def read(url: str, root: Path, max_bytes: int) -> bytes | Path:
    """At most `max_bytes` + 1 bytes, so that the caller can detect what is too long; of a file: URL
    its path. A local file in the URL is relative to `root`. Raises BadCell."""
    url = paths.tidy(url)
    if url.lower().startswith(_LOCAL):
        return _local(url, root)
    try:
        import fsspec
    except ImportError as error:
        raise BadCell("is a URL; to read it: pip install fsspec") from error
    try:
        with fsspec.open(_anchored(url, root), "rb") as file:
            return file.read(max_bytes + 1)  # type: ignore[union-attr]
    except ImportError as error:  # fsspec names the packages that this protocol needs
        raise BadCell(f"is a URL that can't be read: {error}{_install(url)}") from error
    except (*FAILURES, *_client_errors()) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise BadCell(f"is a URL that can't be read ({text[:200]})") from error


def _local(url: str, root: Path) -> Path:
    """file:///a b.png, file:///a%20b.png, file://host/… and the relative file://img/a.png."""
    try:
        parts = urllib.parse.urlsplit(url)
        place = url.partition("://")[2] if "?" in url or "#" in url else parts.netloc + parts.path
        if parts.netloc.lower() == "localhost":
            place = parts.path
        return paths.find(urllib.request.url2pathname(place), root)
    except (ValueError, urllib.error.URLError) as error:
        raise BadCell(f"is a file URL that can't be understood ({error})") from error


def _anchored(url: str, root: Path) -> str:
    """zip://a.png::photos.zip: the last of a chain, where it is a local file, from `root`."""
    *chain, last = url.split("::")
    if not chain or (_URL.match(last) and not last.lower().startswith(_LOCAL)):
        return url
    place = _local(last, root) if _URL.match(last) else paths.find(last, root)
    if place.exists() and not place.is_file():  # a pipe or a device may block forever
        raise BadCell(f"is a URL whose {last!r} is not a regular file")
    return "::".join([*chain, str(place.absolute())])


def stamp(url: str, root: Path) -> str:
    """Of a URL into a local archive, the archive's size and time of change; empty of others."""
    *chain, last = paths.tidy(url).split("::")
    if not chain or (_URL.match(last) and not last.lower().startswith(_LOCAL)):
        return ""
    try:
        status = (_local(last, root) if _URL.match(last) else paths.find(last, root)).stat()
    except (BadCell, OSError, ValueError) as error:
        return type(error).__name__
    return f"{status.st_size}|{status.st_mtime_ns}"


def _install(url: str) -> str:
    packages = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
    package = packages.get(url.partition(":")[0].lower())
    return f" (pip install fsspec {package})" if package else ""


def _client_errors() -> tuple[type[Exception], ...]:
    """Those of the packages that are in use: none is imported for its errors."""
    found = ((sys.modules.get(module), names) for module, names in _CLIENTS.items())
    return tuple(getattr(module, name) for module, names in found if module for name in names
                 if hasattr(module, name))  # fmt: skip
