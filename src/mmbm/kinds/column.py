"""Base class of columns: one file per kind, bytes in, numpy out, no torch.

A column learns from the train split (`fit`), keeps what it learned as plain JSON (`state`), and
decodes one cell into one array (`decode`). `storage` defines their layout on disk and in a batch.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from mmbm.errors import BadCell
from mmbm.specs.columns import ColumnSpec

Cell = None | str | bytes | Path | int | float | bool | list
"""A raw cell. Media are `bytes` or a `Path` (see `columns.media.locate`); text is `str`."""

State = dict[str, Any]
T = TypeVar("T")


class Storage(NamedTuple):
    """Layout of decoded cells: fixed `shape`, or `ragged` along a first axis of any length."""

    dtype: str
    shape: tuple[int, ...]  # without the ragged axis
    ragged: bool = False


class Description(NamedTuple):
    """Description of a column for a form, an API or a report."""

    schema: dict[str, Any]  # JSON schema of one cell in a request
    media: str | None  # media type of uploaded bytes, "image/*"
    widget: str  # image | audio | file | text | number | choice | choices


class Arrays(NamedTuple):
    """One column of a batch, as numpy."""

    values: np.ndarray  # [B, ...] padded with zeros
    lengths: np.ndarray  # [B] int64, 1 where there is no ragged axis or the cell is absent
    present: np.ndarray  # [B] bool


class Column(Protocol):
    version: int
    """Incremented when decoding changes, so that prepared data of an older version is not used."""
    not_decoding: ClassVar[frozenset[str]]
    """Keys of `state` that don't change a decoded cell."""
    state: State
    storage: Storage

    def __init__(self, spec: Any, state: State | None = None): ...

    def fit(self, cells: Iterable[Cell]) -> State:
        """Learn from the cells of the train split. Unreadable cells are skipped."""
        ...

    def decode(self, cell: Cell) -> np.ndarray | None:
        """One cell -> one array as in `storage`; None if it is absent. Raises BadCell."""
        ...

    def describe(self) -> Description: ...


Columns = dict[str, Column]


@runtime_checkable
class HasVocabulary(Column, Protocol):
    """A column of the values that training saw, such as categories and labels."""

    def unseen(self, cell: Cell) -> list[str]:
        """The values of a cell that training never saw. Raises BadCell."""
        ...


def build(spec: ColumnSpec, state: State | None = None) -> Column:
    return spec.traits.part("column")(spec, state)


def build_all(
    specs: Mapping[str, ColumnSpec], states: Mapping[str, State], whole: bool = False
) -> Columns:
    """The fitted columns of a bundle or a run. whole: see `ColumnSpec.whole`."""
    return {n: build(spec.whole() if whole else spec, states[n]) for n, spec in specs.items()}


def readable(cells: Iterable[Cell], read: Callable[[Cell], T | None]) -> Iterator[T]:
    """The results of `read` for cells that are readable and present. The quarantine lists the
    others when they are decoded."""
    for cell in cells:
        with contextlib.suppress(BadCell):
            value = read(cell)
            if value is not None:
                yield value


def collate(storage: Storage, values: Sequence[np.ndarray | None]) -> Arrays:
    """Decoded cells -> one padded batch. None is absent: zeros of length 1, present False."""
    present = np.array([value is not None for value in values], dtype=bool)
    if not storage.ragged:
        batch = np.zeros((len(values), *storage.shape), dtype=storage.dtype)
        for row, value in enumerate(values):
            if value is not None:
                batch[row] = value
        return Arrays(batch, np.ones(len(values), dtype=np.int64), present)
    lengths = np.array([1 if v is None else len(v) for v in values], dtype=np.int64)
    batch = np.zeros((len(values), int(lengths.max(initial=1)), *storage.shape), storage.dtype)
    for row, value in enumerate(values):
        if value is not None:
            batch[row, : len(value)] = value
    return Arrays(batch, lengths, present)
