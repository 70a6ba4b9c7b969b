"""Checks of the data before training. Decoded cells are kept for training."""

from pathlib import Path
from typing import Any

import numpy as np

from mmbm.config import Config
from mmbm.data.few import few_rows
from mmbm.data.prepare import Data, prepare

FEW = 10
"""Train rows of a class below which it is hardly learned."""


def check(config: Config, cache: Path, quarantine: Path, table: Any = None) -> list[str]:
    """Messages on rows, bad cells, duplicates and rare classes; raises training's errors."""
    data = prepare(config, cache, quarantine, table=table)
    sizes = ", ".join(f"{len(rows)} {split}" for split, rows in data.splits.items())
    small = few_rows(data.splits, pooled=True)
    told = [*data.notes, *small, *absent(data), *rare(config, data), *cells(config, data)]
    return [f"{data.table.source}: {sizes} rows.", *told]


def cells(config: Config, data: Data) -> list[str]:
    rows = np.sort(np.concatenate([part.rows for part in data.splits.values()]))
    stores = data.splits["train"].stores
    return [
        note
        for name, spec in config.inputs.items()
        if spec.traits.check
        for note in spec.traits.part("check")(name, stores[name], rows)
    ]


def absent(data: Data) -> list[str]:
    rows = data.splits["train"]
    parts = {name: 1 - rows.stores[name].present[rows.rows].mean() for name in rows.inputs}
    return [
        f"{name!r} is absent from {p:.1%} of the train rows."
        for name, p in parts.items()
        if 0 < p < 1
    ]


def rare(config: Config, data: Data) -> list[str]:
    said = []
    for name, spec in config.targets.items():
        if spec.counted is None:
            continue
        what, where, first = spec.counted
        state = data.columns[name].state
        counts = list(zip(state["values"], state["counts"]))[first:]
        few = [value for value, count in counts if count < FEW]
        if few:
            said.append(
                f"{len(few)} of {len(state['values'])} {what} of {name!r} have fewer than {FEW} "
                f"{where}: {', '.join(few[:5])}{'…' if len(few) > 5 else ''}."
            )
    return said
