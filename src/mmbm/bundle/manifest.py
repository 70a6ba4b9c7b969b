"""Manifest of a bundle: its files, their allowed places, and size limits.

A bundle may be untrusted. Its manifest lists every file with its sha256; nothing else in the folder
is read, and a name in it never leads out of the folder: names are relative, without links, and lead
to regular files.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmbm.console import say
from mmbm.errors import BundleError

FORMAT = 2
"""Incremented when older bundles can't be read any more."""
MANIFEST = "manifest.json"
GRAPHS, GOLDEN = "graphs", "golden"
LONG = "answers.safetensors"
"""Golden answers that are too long for JSON: probabilities along time."""
RUN = {GRAPHS, GOLDEN}
"""Folders whose files runners and golden rows name: a file that isn't listed there is refused."""
MOST_FILES = 10_000
MOST_BYTES = {"config.yaml": 1 << 20, MANIFEST: 16 << 20}
"""Size limits of parsed files; for others `PARSED` by their extension."""
PARSED = {".json": 256 << 20, ".jsonl": 256 << 20, ".yaml": 1 << 20, ".md": 16 << 20}
MOST_WEIGHTS = 100 << 30
"""Bytes of weights and graphs: all of them are read to compare their hashes."""
MOST_GOLDEN = 256 << 20
"""Bytes of an image or audio file of a golden row."""

_PART = re.compile(r"[^/\\:\x00-\x1f\x7f]{1,255}")


class Files:
    """The content of a manifest, after a check of every file. Raises BundleError."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.manifest = read_manifest(folder)
        self.names = frozenset(self.manifest["files"])

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.names))

    def path(self, name: str) -> Path:
        """The path of a listed file. Raises BundleError if it isn't listed."""
        if name not in self.names:
            raise BundleError(f"{self.folder}: {name!r} is not among the files of the manifest.")
        return self.folder / name

    def golden(self, name: Any) -> Path:
        """The file that a golden row names."""
        if not isinstance(name, str) or not _PART.fullmatch(name):
            raise BundleError(
                f"{self.folder}: a golden row names the file {str(name)[:80]!r}; such a name is "
                f"that of a file in {GOLDEN}/, and no path."
            )
        return self.path(f"{GOLDEN}/{name}")

    def text(self, name: str) -> str:
        path = self.path(name)
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BundleError(f"{path} can't be read: {error}.") from error

    def json(self, name: str) -> Any:
        return parse_json(self.text(name), self.folder / name)

    def copy(self, folder: Path, leave: Callable[[str], bool] = lambda name: False) -> None:
        """Copy the listed files, except those to `leave`, into a folder; not the manifest."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self:
            if not leave(name):
                regular(self.folder, name)
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.folder / name, target, follow_symlinks=False)

    def check(self) -> None:
        """Check that every listed file is there, regular, not too large, and unchanged."""
        for name, expected in self.manifest["files"].items():
            path = self.folder / name
            regular(self.folder, name)
            if sha256(path) != expected:
                raise BundleError(
                    f"{self.folder}: {name} is not the file that was written (its sha256 differs). "
                    "Copy the bundle again from where it was trained."
                )
        self._others()

    def _others(self) -> None:
        """Unlisted files: refused in the folders of graphs and golden rows."""
        others = sorted(all_files(self.folder) - self.names - {MANIFEST})
        beside = [name for name in others if name.partition("/")[0] in RUN]
        if beside:
            raise BundleError(
                f"{self.folder}: {beside[0]} is not in the manifest, so it is no part of the "
                "bundle. Remove it, or copy the bundle again from where it was trained."
            )
        if others:
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            say(
                f"{self.folder}: ignored, since the manifest doesn't list "
                f"{'it' if len(others) == 1 else 'them'}: {', '.join(others[:3])}{more}."
            )


def read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not folder.is_dir() or not os.path.lexists(path):
        raise BundleError(f"{folder} is not a bundle: it has no {MANIFEST}.")
    regular(folder, MANIFEST)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        number = int(manifest["format"])
        files, tolerance = manifest["files"], manifest["tolerance"]
        if not isinstance(files, dict) or not isinstance(tolerance, dict):
            raise TypeError("files and tolerance must be objects")
        if not all(isinstance(one, int | float) and one >= 0 for one in tolerance.values()):
            raise TypeError("a tolerance is a number, not below 0")
        if not all(isinstance(one, str) for one in files.values()):
            raise TypeError("a sha256 is a text")
        if not isinstance(manifest.get("runner", ""), str):
            raise TypeError("runner is a text")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError) as error:
        raise BundleError(f"{path} is damaged: {error}") from error
    if number > FORMAT:
        raise BundleError(
            f"{folder} has format {number}, written by mmbm {manifest.get('mmbm')}; this mmbm "
            f"reads format {FORMAT}. Upgrade: pip install -U mmbm"
        )
    if number < FORMAT:
        raise BundleError(
            f"{folder} has format {number}, written by mmbm {manifest.get('mmbm')}; this mmbm "
            f"reads format {FORMAT}. Train it again, or read it with the mmbm that wrote it."
        )
    if len(files) > MOST_FILES:
        raise BundleError(f"{path} lists {len(files)} files, more than {MOST_FILES}.")
    for name in files:
        check_name(folder, name)
    return manifest


def check_name(folder: Path, name: str) -> None:
    """Relative, with plain parts. Raises BundleError."""
    parts = name.split("/")
    if not all(_PART.fullmatch(part) and part not in (".", "..") for part in parts):
        raise BundleError(
            f"{folder / MANIFEST} lists {name[:80]!r}: a file of a bundle is named relative to its "
            "folder, with / between plain names."
        )


def regular(folder: Path, name: str) -> None:
    """Raises BundleError unless it is a file that is no link, in folders that are none, and, if it
    is parsed, not larger than such a file may be. Nothing is opened."""
    place = folder
    for part in name.split("/"):
        place = place / part
        try:
            status = place.lstat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BundleError(
                f"{folder}: {name} is missing from the bundle. Copy the whole folder again."
            ) from error
        except OSError as error:
            raise BundleError(f"{place} can't be read: {error.strerror or error}.") from error
        if stat.S_ISLNK(status.st_mode):
            raise BundleError(
                f"{folder}: {place.relative_to(folder)} is a link. A bundle's files are its own: "
                "copy it with its links followed (cp -rL)."
            )
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(f"{folder}: {name} is not a regular file.")
    most = MOST_BYTES.get(name, PARSED.get(place.suffix))
    if most is None:
        most = MOST_GOLDEN if name.startswith(f"{GOLDEN}/") else MOST_WEIGHTS
    if status.st_size > most:
        raise BundleError(f"{folder}: {name} has {status.st_size} bytes, more than {most}.")


def parse_json(text: str, path: Path) -> Any:
    """Raises BundleError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {error}") from error
    return found


def all_files(folder: Path) -> set[str]:
    """The files in the folder, links too; links to folders are not followed."""
    found: set[str] = set()
    for root, folders, files in os.walk(folder):
        links = [one for one in folders if (Path(root) / one).is_symlink()]
        for name in (*files, *links):
            found.add((Path(root) / name).relative_to(folder).as_posix())
            if len(found) > 2 * MOST_FILES:
                raise BundleError(f"{folder} holds more than {2 * MOST_FILES} files.")
    return found


def sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
