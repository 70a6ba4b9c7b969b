"""Inspect the files that a column's cells name or hold, by opening a few of them."""

import re
from collections import Counter
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmbm.cells import media, paths, urls
from mmbm.cells.notation import USUAL
from mmbm.cells.values import describe, is_media
from mmbm.console import heartbeat
from mmbm.errors import BadCell
from mmbm.kinds.audio import files as audio
from mmbm.kinds.audio.files import Sound
from mmbm.kinds.guess import MOSTLY
from mmbm.kinds.image import files as image
from mmbm.kinds.image.files import Picture

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

OPENED = 48
"""Files per column that are opened."""
ENOUGH = 3
"""Failed URLs after which the others aren't tried."""
MAX_BYTES = 100_000_000
VIDEOS = re.compile(r"\.(mp4|mov|avi|mkv|mpe?g|m4v|wmv)")


class Problem(NamedTuple):
    """A cell that can't be read."""

    row: int  # 1 is the first
    cell: Any
    reason: str

    def __str__(self) -> str:
        shown = self.cell if isinstance(self.cell, str) else describe(self.cell)
        return f"row {self.row}, {shown[:80]}: {self.reason}"

    def sentence(self, root: Path) -> str:
        """The problem and the fix."""
        text = f"The first is {self}"
        if "does not exist" not in self.reason:
            return f"{text}."
        if isinstance(self.cell, str) and paths.is_absolute(self.cell):
            return (
                f"{text}. It is an absolute path, perhaps of another machine: write paths relative "
                "to the table, and say where they begin (--root, data.root)."
            )
        return f"{text} under {root}. Is the folder right (--root, data.root)?"


class Files(NamedTuple):
    """Properties of the files of one column."""

    named: str | None = None
    """image, audio, video or other, by the spelling of most cells; None: not like paths."""
    inside: bool = False
    """Most cells hold a file."""
    seen: dict[int, Picture | Sound] = {}  # noqa: RUF012
    """Files of the same type, by place in the sample."""
    problems: list[Problem] = []  # noqa: RUF012

    def unread(self) -> str:
        """The comment on those that can't be read."""
        if not self.problems:
            return ""
        tried = len(self.seen) + len(self.problems)
        return f"; {len(self.problems)} of {tried} tried can't be read ({self.problems[0].reason})"

    def notes(self, name: str) -> tuple[str, ...]:
        """The same as a message for the user."""
        if not self.problems:
            return ()
        tried = len(self.seen) + len(self.problems)
        return (f"{name}: {len(self.problems)} of {tried} files tried can't be read; "
                f"{self.problems[0]}.",)  # fmt: skip


def open_some(sample: "Sample") -> Files:
    """Open a few of the cells' files, if they are files and no videos."""
    inside = sum(map(is_media, sample.present)) >= MOSTLY * len(sample.present)
    named, count = Counter(map(by_name, sample.present)).most_common(1)[0]
    named = named if count >= MOSTLY * len(sample.present) or inside else None
    if named == "video" or not (inside or named):
        return Files(named, inside)
    places = [i for i, cell in enumerate(sample.cells) if cell not in (None, "")]
    picks = np.linspace(0, len(places) - 1, min(OPENED, len(places))).astype(int)
    seen: dict[int, Picture | Sound] = {}
    problems: list[Problem] = []
    opened = heartbeat(picks, f"Opening files of {sample.name}", len(picks))
    for place in (places[i] for i in opened):
        cell = sample.cells[place]
        try:
            source = media.locate(cell, sample.root, MAX_BYTES)
            if source is not None:
                seen[place] = look(source)
        except BadCell as error:
            problems.append(Problem(int(sample.rows[place]) + 1, cell, error.reason))
            if not seen and len(problems) >= ENOUGH and "URL" in error.reason:
                break  # a network that isn't available
    sorts = Counter(map(type, seen.values()))
    most = sorts.most_common(1)[0][0] if sorts else Picture
    return Files(named, inside, {i: s for i, s in seen.items() if type(s) is most}, problems)


def look(source: bytes | Path) -> Picture | Sound:
    """Header data of a file. Raises BadCell."""
    data = media.read(source, MAX_BYTES)
    seen = image.look(data) or audio.look(data)
    if seen is None:
        raise BadCell("is neither an image nor a sound")
    return seen


def by_name(cell: Any) -> str | None:
    """image, audio, video or other for text that looks like a file's path; else None."""
    if isinstance(cell, dict):
        return "audio" if "array" in cell else by_name(cell.get("path") or "")
    if isinstance(cell, list) and len(cell) == 1:
        return by_name(cell[0])
    if not isinstance(cell, str):
        return None
    if len(cell) < 40 and USUAL.fullmatch(cell):
        return None
    cell = paths.tidy(cell)
    if cell[:11].lower() in ("data:image/", "data:audio/"):
        return cell[5:10].lower()
    if media.is_encoded(cell):
        return "audio" if cell[:4] in ("T2dn", "Zkxh", "SUQz") else "image"
    if len(cell) > 2000 or "\n" in cell:
        return None
    if urls.is_url(cell):
        cell = re.split(r"[?#]|::", cell)[0]
    ending = PurePath(cell.partition("?")[0]).suffix.lower()
    for kind, endings in (("image", image.ENDINGS), ("audio", audio.ENDINGS), ("video", VIDEOS)):
        if endings.fullmatch(ending):
            return kind
    return "other" if "/" in cell and 2 <= len(ending) <= 6 and ending[1:].isalnum() else None
