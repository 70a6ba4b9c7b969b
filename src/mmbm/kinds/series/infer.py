"""Infer time series columns: paths of small tables, tables as text, lists of steps."""

import re
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from mmbm.cells import media, paths
from mmbm.errors import BadCell
from mmbm.kinds.column import Cell
from mmbm.kinds.guess import MOSTLY, ColumnGuess, Options
from mmbm.kinds.series.column import SeriesColumn
from mmbm.kinds.series.read import Table, channel, table
from mmbm.kinds.series.spec import SeriesSpec

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

OPENED = 48
"""Cells that are read."""
ENDINGS = (".csv", ".tsv", ".npy", ".parquet")
MANY_STEPS = 1024
"""Default maximum number of steps."""
MOST_STEPS = 4096
LEAST_ROWS = 3000
"""Train rows from which a larger encoder than tiny learns more."""
ALIKE = 0.95
"""Fraction of plain lists with the same length from which they are vectors."""
_JSON = re.compile(r"\s*(\[\s*[\[{\d.+-]|\{\s*\"[^\"]*\"\s*:\s*\[)")


def infer(sample: "Sample") -> ColumnGuess | None:
    present = sample.present
    if sum(map(_may_be, present)) < MOSTLY * max(1, len(present)):
        return None
    places = [i for i, cell in enumerate(sample.cells) if _may_be(cell)]
    picks = np.linspace(0, len(places) - 1, min(OPENED, len(places))).astype(int)
    cells, read, reasons = [], [], []
    for place in (places[i] for i in picks):
        try:
            cell = _located(sample.cells[place], sample)
            read.append(_numbers(table(cell, SeriesSpec().max_bytes)))
            cells.append(cell)
        except BadCell as error:
            reasons.append(f"row {int(sample.rows[place]) + 1}: {error.reason}")
    if len(read) < len(picks) / 2 or not _are_series(read, sample):
        return None
    return _guess(sample.name, cells, read, reasons)


def _guess(
    name: str, cells: list[Cell], read: list[Table], reasons: list[str]
) -> ColumnGuess | None:
    column = SeriesColumn(SeriesSpec())
    state = column.fit(cells)
    if state["series"] < len(cells) / 2 or not sum(state["count"]):
        return None  # values that are no numbers, or none at all
    steps = [len(one.values[0]) for one in read]
    options: Options = {"time": state["time"]} if state["time"] else {}
    notes = ()
    if max(steps) > MANY_STEPS:
        options["steps"] = min(max(steps), MOST_STEPS)
    if max(steps) > MOST_STEPS:
        notes = (f"{name}: series have up to {max(steps)} steps, of which the last {MOST_STEPS} "
                 "are read; means over longer times lose less.",)  # fmt: skip
    if reasons:
        notes += (f"{name}: {len(reasons)} of {len(read) + len(reasons)} series tried can't be "
                  f"read; {reasons[0]}.",)  # fmt: skip
    channels = len(state["channels"])
    why = f"series of {min(steps)} to {max(steps)} steps, {channels} channel{'s'[: channels > 1]}"
    empty = 1 - sum(state["count"]) / max(1, channels * sum(steps))
    why += f", {empty:.0%} of the values missing" if empty > 0.005 else ""
    return ColumnGuess("series", why, options, notes=notes, may_share=True, few_rows=few_rows)


def few_rows(options: Options, rows: int, long: bool) -> Options:
    """With few rows a small encoder learns as much."""
    if rows >= LEAST_ROWS or long or "encoder" in options:
        return options
    return {**options, "encoder": {"kind": "rnn", "size": "tiny"}}


def _may_be(cell: Any) -> bool:
    if isinstance(cell, list):
        return len(cell) > 0 and isinstance(cell[0], list | dict | int | float | None)
    if isinstance(cell, dict):
        return bool(cell) and all(isinstance(one, list) for one in cell.values())
    if not isinstance(cell, str):
        return False
    if "\n" not in cell.strip():
        return bool(_JSON.match(cell)) or PurePath(paths.tidy(cell)).suffix.lower() in ENDINGS
    return bool(_JSON.match(cell)) or is_table(cell)


def is_table(text: str) -> bool:
    """Lines that all have equally many commas or other delimiters, at least one."""
    lines = text.strip().split("\n")[:20]
    counts = [Counter(c for c in line if c in ",;\t|") for line in lines]
    return len(lines) > 2 and any(
        counts[0][mark] and all(count[mark] == counts[0][mark] for count in counts)
        for mark in ",;\t|"
    )


def _located(cell: Any, sample: "Sample") -> Any:
    spec = SeriesSpec()
    return cell if spec.holds(cell) else media.locate(cell, sample.root, spec.max_bytes)


def _numbers(found: Table) -> Table:
    """Raises BadCell: only its first channel may hold other values than numbers."""
    for name, column in list(zip(found.names, found.values))[1:]:
        channel(name, column, np.inf)
    return found


def _are_series(read: list[Table], sample: "Sample") -> bool:
    """Cells of a single step aren't series. Plain lists are if they have fractions and many
    lengths: others are vectors or labels."""
    steps = Counter(len(one.values[0]) for one in read)
    if max(steps) < 2:
        return False
    if all(one.names == ["0"] for one in read):
        try:
            values = np.concatenate([channel("0", one.values[0], np.inf) for one in read])
        except BadCell:
            return False
        (_, same), *_ = steps.most_common(1)
        return same < ALIKE * len(read) and bool((values != np.rint(values)).any())
    return True
