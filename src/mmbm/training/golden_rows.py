"""Golden rows: a few rows of the valid split as raw cells, kept in the bundle to verify its
answers.

They are taken right after the cells were prepared, and only those that still decode to exactly the
prepared values: an image edited during training can't make a bundle that its own server refuses.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmbm.bundle.writer import Media
from mmbm.cells.media import Remote, read
from mmbm.config import Config
from mmbm.console import say
from mmbm.data.prepare import Data, raw_cells
from mmbm.data.store import ColumnStore, decode_cell, digest
from mmbm.errors import BadCell
from mmbm.inference.evaluate import collect
from mmbm.inference.runners import Named, Runner
from mmbm.kinds.column import Cell, Column

TRIES = 4
"""Candidates per row that is kept, if files changed."""


class Golden(NamedTuple):
    rows: np.ndarray  # their numbers in the table
    cells: list[dict[str, Cell | Media]]

    def answers(self, config: Config, data: Data, runner: Runner) -> Named:
        """The trained model's answers, on the prepared cells."""
        if not len(self.rows):
            return {}
        valid, whole = data.splits["valid"], tuple(config.modalities())
        chosen = type(valid)(valid.stores, valid.inputs, valid.targets, self.rows)
        return collect(runner, chosen, data.columns, [whole])[whole]


def take(config: Config, data: Data) -> Golden:
    """As many as `train.golden_rows`, spread over the valid split."""
    rows = data.splits["valid"].rows
    count = min(config.train.golden_rows, len(rows))
    kept: list[int] = []
    cells = []
    changed = 0
    for row in spread(rows, count):
        if len(kept) == count:
            break
        raw = as_prepared(config, data, row)
        if raw is None:
            changed += 1
        else:
            kept.append(row)
            cells.append(raw)
    if changed:
        say(
            f"{changed} rows of the valid split hold media that changed since they were prepared: "
            f"{len(kept)} other rows are kept as golden rows. data.rehash: true finds such changes."
        )
    order = np.argsort(kept)
    return Golden(np.array(kept, np.int64)[order], [cells[i] for i in order])


def spread(rows: np.ndarray, count: int) -> Iterator[int]:
    """`count` of the rows, evenly spaced, and then others as replacements."""
    first = np.linspace(0, len(rows) - 1, count).astype(int) if count else np.empty(0, int)
    others = np.setdiff1d(np.arange(len(rows)), first)[: TRIES * count]
    yield from rows[[*first, *others]].tolist()


def as_prepared(config: Config, data: Data, row: int) -> dict[str, Cell | Media] | None:
    """The row's raw cells, media as bytes; None if one doesn't decode to the prepared value."""
    cells: dict[str, Cell | Media] = {}
    stores = data.splits["valid"].stores
    for name, spec in config.inputs.items():
        most = getattr(spec, "max_bytes", None)
        cell: Any = next(raw_cells(data.table, name, spec, np.array([row]), most))
        if spec.is_media and cell is not None:
            store = stores[name]
            assert isinstance(store, ColumnStore)
            media = None if isinstance(cell, BadCell) else opened(cell, spec)
            raw = media.data if isinstance(media, Media) else media
            if raw is None or not same(data.columns[name], raw, store.digests[row]):
                return None
            cell = media
        cells[name] = cell
    return cells


def opened(cell: Any, spec: Any) -> Cell | Media | None:
    """A media cell as a bundle keeps it; None if it is no longer readable."""
    try:
        if isinstance(cell, Remote):
            cell = cell.read()
        cell = spec.kept(cell)
        if spec.holds(cell):
            return cell
        return Media(read(cell, spec.max_bytes), cell.suffix if isinstance(cell, Path) else "")
    except BadCell:  # deleted or emptied
        return None


def same(column: Column, raw: Cell, known: np.uint64) -> bool:
    value, reason = decode_cell(column, raw)
    if value is None or reason:
        return False
    array = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    return np.frombuffer(digest(array, b""), "<u8")[0] == known
