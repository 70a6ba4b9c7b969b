"""A folder of class folders (torchvision's ImageFolder, Hugging Face's imagefolder) -> a table.

FOLDER/CLASS/file.png             ──►  file, label
FOLDER/train|valid|test/CLASS/…   ──►  file, label, split
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa

from mmbm.console import heartbeat
from mmbm.data.split import SYNONYMS
from mmbm.errors import TableError

ENDINGS = frozenset({
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm",
    ".pgm", ".heic", ".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".aif",
    ".webm",
})  # fmt: skip
SHAPE = "FOLDER/CLASS/file.png, or FOLDER/train/CLASS/file.png (as ImageFolder has them)"


def media_files(path: Path) -> list[str]:
    """Media under a folder, sorted, as paths relative to it."""
    found: list[str] = []
    for folder, folders, names in heartbeat(os.walk(path), f"Folders read in {path.name}"):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = Path(folder).relative_to(path)
        found += [(inner / n).as_posix() for n in names
                  if Path(n).suffix.lower() in ENDINGS and not n.startswith(".")]  # fmt: skip
    return sorted(found)


def read_folder(path: Path, tables: tuple[str, ...]) -> pa.Table:
    """Raises TableError that explains the expected layout of the folder.

    tables: file extensions of tables, to name a table that is in the folder.
    """
    rows = list(_rows(path))
    labels = {label for _, label, _ in rows}
    inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in tables and p.is_file())
    notes = {name for name in inside if Path(name).suffix.lower() in (".txt", ".json")}
    if inside and not (len(labels) > 1 and set(inside) == notes):  # a readme next to class folders
        raise TableError(
            f"{path}: is a folder; the table in it is {', '.join(inside[:5])}: name "
            f"{path / inside[0]}. (Class folders are read only where there is no table.)"
        )
    if not rows or len(labels) < 2:
        raise TableError(
            f"{path}: is a folder, and no table: it has {len(rows)} images or sounds in "
            f"{len(labels)} class folders. A folder is read as a table if it is like {SHAPE}."
        )
    files, names, splits = zip(*rows)
    data = {"file": pa.array(files, pa.string()), "label": pa.array(names, pa.string())}
    if any(splits):
        data["split"] = pa.array(splits, pa.string())
    return pa.table(data)


def _rows(path: Path) -> Iterator[tuple[str, str, str | None]]:
    files = media_files(path)
    tops = {PurePosixPath(f).parts[0].lower() for f in files if "/" in f}
    by_split = bool(tops) and tops <= set(SYNONYMS) and "train" in {SYNONYMS[t] for t in tops}
    for file in files:
        parts = PurePosixPath(file).parts
        if by_split and len(parts) > 2:
            yield file, parts[1], SYNONYMS[parts[0].lower()]
        elif not by_split and len(parts) > 1:
            yield file, parts[0], None
