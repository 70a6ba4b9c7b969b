"""Cache of prepared files next to the runs: listing, use by runs, and clearing.

    runs/prepared/  DIGEST.arrow            a table's copy
                    COLUMN-DIGEST.arrow     a column's decoded cells (.rows: where each is)
                    COLUMN-features-….arrow a frozen encoder's output for them
    runs/NAME/      prepared.json           the names of the files that the run has used

All of them are rebuilt when needed.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from mmbm import files
from mmbm.data.index import ENDING
from mmbm.errors import MmbmError

FOLDER = "prepared"
RECORD = "prepared.json"
LOCK = "lock"
"""Lock file of a run's folder: held while a process trains in it."""
DEPTH = 3
"""Subfolders of a run, for folds and rounds."""


class Entry(NamedTuple):
    """A prepared file."""

    path: Path
    what: str  # "photo", "features of photo", "table of 12 columns"
    bytes: int
    used: float  # time of the last use by a run, in seconds since 1970
    runs: list[str]  # the names of the runs that have used it


class Cleared(NamedTuple):
    removed: list[Entry]
    kept: list[Entry]  # of runs in training


def names_of(data: Any) -> set[str]:
    """The prepared files of `Data`."""
    stores = data.splits["train"].stores.values()
    paths = (getattr(getattr(store, "store", store), "path", None) for store in stores)
    return {path.name for path in paths if path} | {f"{data.table.digest}.arrow"}


def record(run: Path, cache: Path, names: Iterable[str]) -> None:
    """Record that a run uses these files."""
    there = [cache / name for name in names]
    for path in there:
        with contextlib.suppress(OSError):
            os.utime(path)
    known = used_by(run / RECORD) | {path.name for path in there if path.exists()}
    files.write_text(run / RECORD, json.dumps(sorted(known), indent=0))


def used_by(path: Path) -> set[str]:
    """The names in a run's record; none if it is missing or damaged."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {name for name in known if isinstance(name, str)} if isinstance(known, list) else set()


def entries(runs: Path) -> list[Entry]:
    """The prepared files of a folder of runs, the largest first. Raises MmbmError."""
    cache = runs / FOLDER
    if not cache.is_dir():
        raise MmbmError(f"{cache}: there is no such folder. --runs says where the runs are.")
    users: dict[str, set[str]] = {}
    for run, names in records(runs).items():
        for name in names:
            users.setdefault(name, set()).add(run)
    found = []
    for path in cache.glob("*.arrow"):
        with contextlib.suppress(FileNotFoundError):  # another process clears it
            status = path.stat()
            runs_of = sorted(users.get(path.name, ()))
            size = status.st_size + files.size_of(path.with_name(path.name + ENDING))
            found.append(Entry(path, what(path), size, status.st_mtime, runs_of))
    return sorted(found, key=lambda one: -one.bytes)


def records(runs: Path) -> dict[str, set[str]]:
    """By run, the names of the files that it used."""
    found: dict[str, set[str]] = {}
    for depth in range(1, DEPTH + 1):
        for path in runs.glob("/".join(["*"] * depth + [RECORD])):
            name = path.relative_to(runs).parts[0]
            found.setdefault(name, set()).update(used_by(path))
    return found


def what(path: Path) -> str:
    """The content of a prepared file, in words."""
    name, _, digest = path.stem.rpartition("-")
    if not name:
        with contextlib.suppress(OSError, pa.ArrowInvalid), pa.memory_map(str(path)) as file:
            return f"table of {len(pa.ipc.open_file(file).schema)} columns"
        return f"table {digest}"
    column, dash, _ = f"{name}-".rpartition("-features-")
    return f"features of {column}" if dash else name


def clear(runs: Path, unused: bool = False) -> Cleared:
    """Remove the prepared files, or only those that no run has used; not those of a run in
    training."""
    known, busy = records(runs), running(runs)
    starting = any(name not in known for name in busy)  # it may be about to use any
    removed, kept = [], []
    for entry in entries(runs):
        if starting or set(entry.runs) & busy:
            kept.append(entry)
        elif not unused or not entry.runs:
            for ending in ("", files.SUM, ENDING, ENDING + files.SUM):
                entry.path.with_name(entry.path.name + ending).unlink(missing_ok=True)
            removed.append(entry)
    files.clean(runs / FOLDER)
    return Cleared(removed, kept)


def running(runs: Path) -> set[str]:
    """The names of the runs that a process trains in."""
    found = set()
    for lock in runs.glob(f"*/{LOCK}"):
        try:
            files.Lock(lock).release()
        except BlockingIOError:
            found.add(lock.parent.name)
    return found


def show(found: list[Entry]) -> None:
    """The listing of the files for a terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table("size", "of", "last used", "by")
    for one in found:
        days = (time.time() - one.used) / 86400
        age = "today" if days < 1 else f"{days:.0f} days ago"
        table.add_row(f"{one.bytes / 1e6:,.1f} MB", one.what, age, ", ".join(one.runs) or "no run")
    console = Console(highlight=False)
    if found:
        console.print(table)
    unused = [one for one in found if not one.runs]
    console.print(
        f"{len(found)} files, {total(found)}; of no run: {len(unused)} files, {total(unused)}."
    )


def total(found: Iterable[Entry]) -> str:
    return f"{sum(one.bytes for one in found) / 1e6:,.1f} MB"
