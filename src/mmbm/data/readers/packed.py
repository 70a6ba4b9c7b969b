"""Compressed tables: .csv.gz, .jsonl.bz2, .tsv.xz, .zip with one table in it."""

import bz2
import gzip
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from mmbm.console import heartbeat
from mmbm.errors import TableError

_OPENERS: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
ENDINGS = (*_OPENERS, ".zip")
RATIO = 1000
"""Maximum ratio of unpacked to packed size: above it the file is a decompression bomb."""
BLOCK = 1 << 20


def is_packed(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS


def unpack(path: Path, folder: Path, known: tuple[str, ...]) -> Path:
    """The table's file, unpacked into `folder`. Raises TableError.

    known: file extensions of tables.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".zip":
            return _from_zip(path, folder, known)
        inner = folder / path.stem
        if inner.suffix.lower() not in known:
            raise TableError(
                f"{path}: {inner.name} is no kind of table that mmbm knows. Unpack it, and save "
                f"the table in it as one of {', '.join(known)}."
            )
        with _OPENERS[ending](path) as source:
            _copy(source, inner, path)
        return inner
    except (
        OSError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        RuntimeError,
    ) as error:
        raise TableError(
            f"{path}: can't be unpacked ({str(error)[:100]}). Unpack it by hand, or save the table "
            "again as .csv or .parquet."
        ) from error


def _from_zip(path: Path, folder: Path, known: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not _is_hidden(name)]
        tables = [name for name in names if PurePosixPath(name).suffix.lower() in known]
        if len(tables) != 1 or len(names) > 1:
            raise TableError(
                f"{path}: holds {len(names)} files, {len(tables)} of them tables. Unpack it, and "
                "name the table in it."
            )
        inner = folder / PurePosixPath(tables[0]).name
        with archive.open(tables[0]) as source:
            _copy(source, inner, path)
    return inner


def _is_hidden(name: str) -> bool:
    return name.endswith("/") or "__MACOSX" in name or PurePosixPath(name).name.startswith(".")


def _copy(source: Any, target: Path, path: Path) -> None:
    most = max(path.stat().st_size * RATIO, 100 * BLOCK)
    with target.open("wb") as file:
        blocks = iter(lambda: source.read(BLOCK), b"")
        for block in heartbeat(blocks, f"Unpacking {path.name}, MB"):
            file.write(block)
            if file.tell() > most:
                raise TableError(
                    f"{path}: unpacks to more than {RATIO} times its size; it isn't read. If that "
                    "is right, unpack it by hand."
                )
            if shutil.disk_usage(target.parent).free < 10 * BLOCK:
                raise TableError(f"{path}: there is no room to unpack it in {target.parent}.")
