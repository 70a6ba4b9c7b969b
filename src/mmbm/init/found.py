"""What a column was taken for."""

from dataclasses import dataclass, field
from typing import Any

from mmbm.init import files

MOSTLY = 0.8
"""Part of the cells that must look like a path, a list, … for the column to be taken for one."""


@dataclass(frozen=True)
class Found:
    """What a column was taken for."""

    kind: str | None  # None: no kind suits it
    why: str
    options: dict[str, Any] = field(default_factory=dict)
    group: bool = False  # names who or what was recorded: rows of one value belong in one split
    opened: files.Files | None = None
    notes: tuple[str, ...] = ()  # what was decided for the user, to be printed


def is_media(found: Found) -> bool:
    return found.kind in ("image", "audio")


def show(value: str) -> str:
    """The beginning of a value, on one line."""
    value = " ".join(value.split())
    return value if len(value) <= 24 else value[:23] + "…"
