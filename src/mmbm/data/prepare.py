"""Data preparation, from table to batches: split · fit · decode once · quarantine · gather.

    Table --split--> row numbers --fit--> Columns --decode--> Store (one Arrow file per column)
          --quarantine--> Rows (of a split) --batches--> NumpyBatch

Nothing here holds a whole column in memory: tables and stores are memory-mapped.
"""

import csv
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmbm import files
from mmbm.cells.media import MAX_BYTES, Remote, locate, remote_url
from mmbm.config import Config
from mmbm.console import heartbeat, stage
from mmbm.data import unseen
from mmbm.data.batches import Prepared, Split
from mmbm.data.overlap import repeated
from mmbm.data.positive_groups import match_keys
from mmbm.data.split import split_rows
from mmbm.data.store import ColumnStore, decode_cell, open_store
from mmbm.data.table import Table, open_table
from mmbm.errors import BadCell, ConfigError, TableError
from mmbm.kinds import column as kinds
from mmbm.kinds.category.column import extended
from mmbm.kinds.column import Cell, Column, Columns, State
from mmbm.specs.columns import ColumnSpec, TargetSpec

PROBED = 40
"""Rows that are read to measure the reading speed."""
LEAST = 100
"""Rows of a split that are read at any speed."""
SPLITS = ("train", "valid", "test")


class Data(NamedTuple):
    """The prepared data of a table for training and evaluation."""

    table: Table
    columns: Columns
    splits: dict[str, Split]
    notes: list[str]  # messages for the user: rows left out, duplicates across splits
    unlabelled: np.ndarray = np.empty(0, np.int64)  # train rows without any target
    bad_rows: int = 0  # with cells that can't be decoded


def prepare(
    config: Config,
    cache: Path,
    quarantine: Path | None = None,
    states: dict[str, State] | None = None,
    table: Any = None,
    few: int = 0,
    seconds: float | None = None,
) -> Data:
    """Open, split, fit, decode and quarantine. `cache` holds prepared files for the next run.

    `states` are columns fitted earlier (training from a bundle); `table` is used in place of the
    file the config names. Columns are fitted on the train rows, or on train and valid rows where
    these are no more than `few`. `seconds`: time for reading cells; if it is too short, only some
    of the rows are read.
    """
    files.clean(cache)
    with stage(f"Reading {Path(config.data.table).name}"):
        opened = open_config_table(config, cache, table)
        rows = split_rows(opened, config.data.split, config.targets)
    notes = rows.notes
    chosen = None
    if seconds is not None and (fewer := affordable(config, opened, rows, seconds)):
        total, read = (sum(map(len, some.values())) for some in (rows, fewer))
        notes = [*notes, f"In {seconds:.0f} s {read} of {total} rows can be read, drawn at random."]
        rows, chosen = fewer, np.sort(np.concatenate(list(fewer.values())))
    with stage("Fitting the columns"):
        learned = np.union1d(rows["train"], rows["valid"])
        columns = fit(
            config, opened, learned if len(learned) <= few else rows["train"], states or {}
        )
    stores = decode(config, opened, columns, cache, chosen)
    data = assemble(config, opened, columns, stores, rows, quarantine)
    return data._replace(notes=[*notes, *data.notes])


def affordable(
    config: Config, table: Table, rows: dict[str, np.ndarray], seconds: float
) -> dict[str, np.ndarray] | None:
    """The rows of each split, drawn at random, that can be read in so many seconds; None: all.

    The reading speed is measured on some of them.
    """
    everything = np.concatenate(list(rows.values()))
    drawn = np.random.default_rng(0).permutation(everything)
    some = np.sort(drawn[:PROBED])
    took = 0.0
    for name, spec in config.inputs.items():
        if not spec.tabular:
            column = kinds.build(spec)
            most = getattr(spec, "max_bytes", None)
            column.fit(cell for cell in raw_cells(table, name, spec, some, most) if ok(cell))
            start = time.monotonic()
            for cell in raw_cells(table, name, spec, some, most):
                decode_cell(column, cell)
            took += time.monotonic() - start
    part = seconds * len(some) / max(took * len(everything), 1e-9)
    if part >= 1:
        return None
    chosen = {}
    for split, own in rows.items():
        mixed = np.random.default_rng(0).permutation(own)
        chosen[split] = np.sort(mixed[: max(math.ceil(part * len(own)), LEAST)])
    return chosen if any(len(chosen[split]) < len(own) for split, own in rows.items()) else None


def open_config_table(config: Config, cache: Path, table: Any = None) -> Table:
    data = config.data
    root = Path(data.root) if data.root else None
    opened = open_table(
        data.table if table is None else table,
        encoding=data.encoding, delimiter=data.delimiter, skip=data.skip, escape=data.escape,
        quote=data.quote, root=root, cache=cache,
    )  # fmt: skip
    check_columns(config, opened)
    return opened


def check_columns(config: Config, table: Table) -> None:
    """A missing column raises an error of its own."""
    classes = [s.zero_shot.label_column for s in config.contrastive.values() if s.zero_shot]
    for name in [*config.columns, *classes]:
        table.column(name)


def raw_cells(
    table: Table,
    name: str,
    spec: ColumnSpec,
    rows: np.ndarray | None = None,
    most: int | None = None,
) -> Iterator[Cell]:
    """The cells of a column; media as bytes or paths, or as a URL of which at most `most` bytes are
    read. Unreadable cells are returned as BadCell."""
    cells = table.cells(name, rows)
    if not spec.is_media:
        yield from cells
        return
    for cell in cells:
        if spec.holds(cell):
            yield cell
            continue
        if url := remote_url(cell):
            yield Remote(url, table.root, most or MAX_BYTES)  # type: ignore[misc]  # so do these
            continue
        try:
            yield locate(cell, table.root, most)
        except BadCell as bad:
            yield bad  # type: ignore[misc]  # travels to `decode_cell`, which reports it


def fit(config: Config, table: Table, train: np.ndarray, states: dict[str, State]) -> Columns:
    """Fit every column on the train split only."""
    columns: Columns = {}
    followers: dict[str, list[str]] = {}  # columns that share the weights of another
    for name, spec in config.inputs.items():
        if original := getattr(spec, "share_weights_with", None):
            followers.setdefault(original, []).append(name)
    specs = config.columns
    for name, spec in heartbeat(specs.items(), "Columns fitted", len(specs)):
        column = kinds.build(spec, states.get(name))
        is_target = name in config.targets
        if name not in states:
            share_weights_with = getattr(spec, "share_weights_with", None)
            names = [name, *followers.get(name, [])]
            if share_weights_with:  # columns that share weights share the fitted state
                column = kinds.build(spec, columns[share_weights_with].state)
            else:
                cells = (c for n in names for c in raw_cells(table, n, spec, train) if ok(c))
                fit_one(name, column, cells)
        elif is_target and spec.task == "multiclass":
            fresh = kinds.build(spec)
            fit_one(name, fresh, raw_cells(table, name, spec, train))
            column = kinds.build(spec, extended(spec, states[name], fresh.state))
        columns[name] = column
        if is_target:
            _check_target(table, name, spec, column)
    return columns


def fit_one(name: str, column: Column, cells: Iterator[Cell]) -> None:
    try:
        column.fit(cells)
    except ConfigError as error:  # a column doesn't have its own name
        raise ConfigError(f"Column {name!r}: {error}") from error


def ok(cell: Any) -> bool:
    return not isinstance(cell, BadCell)


def _check_target(table: Table, name: str, spec: TargetSpec, column: Column) -> None:
    if lacks := spec.lacks(column.state):
        raise TableError(f"{table.source}: target {name!r} has {lacks}.")


def decode(
    config: Config, table: Table, columns: Columns, cache: Path, chosen: np.ndarray | None = None
) -> dict[str, ColumnStore]:
    """Decode every cell once; a column whose files and settings are unchanged is read from cache.
    Of images, audio and texts only the chosen rows, if given: others count as absent."""
    specs = config.columns
    stores = {}
    for name, column in heartbeat(columns.items(), "Columns prepared", len(columns)):
        most = getattr(specs[name], "max_bytes", None)
        some = None if specs[name].tabular else chosen
        stores[name] = open_store(
            name, column, specs[name],
            lambda n=name, m=most, some=some: raw_or_none(table, n, specs[n], some, m),
            table, cache, config.data.rehash, some,
        )  # fmt: skip
    return stores


def raw_or_none(
    table: Table, name: str, spec: ColumnSpec, rows: np.ndarray | None, most: int | None
) -> Iterator[Cell]:
    """The raw cells of a column; with `rows`, None in place of all others."""
    cells = raw_cells(table, name, spec, rows, most)
    if rows is None:
        yield from cells
        return
    wanted = np.zeros(table.rows, bool)
    wanted[rows] = True
    for want in wanted.tolist():
        yield next(cells) if want else None


def assemble(
    config: Config,
    table: Table,
    columns: Columns,
    stores: dict[str, ColumnStore],
    rows: dict[str, np.ndarray],
    quarantine: Path | None,
) -> Data:
    """Apply `bad_cells`, drop rows without any target, and report what was dropped."""
    notes = []
    prepared: dict[str, Prepared] = {**stores, **match_keys(config, table, stores)}
    used = np.zeros(table.rows, bool)
    used[np.concatenate(list(rows.values()))] = True
    bad = sorted((r, name) for name, store in stores.items() for r in store.reasons if used[r])
    write_quarantine(quarantine, config, table, stores, bad)
    bad_rows = np.unique([row for row, _ in bad]).astype(np.int64)
    if bad:
        notes.append(_bad_cells(config.data.bad_cells, table, stores, bad, quarantine))
    gone = bad_rows if config.data.bad_cells == "drop" else np.empty(0, np.int64)
    has_target = np.any([prepared[name].present for name in config.targets], axis=0)
    kept = {split: np.setdiff1d(rows.get(split, np.empty(0, np.int64)), gone) for split in SPLITS}
    unlabelled = kept["train"][~has_target[kept["train"]]]
    empty = int(sum((~has_target[r]).sum() for r in kept.values()))
    if empty and config.train.self_training and len(unlabelled):
        notes.append(f"{len(unlabelled)} train rows have no target: they are labelled by a model.")
        empty -= len(unlabelled)
    if empty:
        pairs = (
            " (of a contrastive target: cells in two of its columns)" if config.contrastive else ""
        )
        notes.append(f"{empty} rows have no target{pairs} and are left out.{_no_label(config)}")
    kept = {split: r[has_target[r]] for split, r in kept.items()}
    for split in ("train", "valid"):
        if split in rows and not len(kept[split]):
            why = " ".join(notes) if len(rows[split]) else "data.split gives it none."
            raise TableError(f"{table.source}: no usable rows in the {split} split: {why}")
    if "train" in rows:
        notes += never_present(config, stores, kept["train"])
        notes += check_targets(config, table.source, stores, kept["train"])
    notes += duplicates(config, stores, kept)
    if "train" in rows:
        notes += repeated(config, stores, kept)
    held = {split: kept[split] for split in ("valid", "test") if len(kept[split])}
    notes += unseen.notes(
        config, table, columns, stores, held if "train" in rows else {"": kept["test"]}
    )
    inputs, targets = list(config.inputs), list(config.targets)
    splits = {split: Split(prepared, inputs, targets, r) for split, r in kept.items()}
    return Data(table, columns, splits, notes, unlabelled, len(bad_rows))


def check_targets(
    config: Config, source: str, stores: dict[str, ColumnStore], train: np.ndarray
) -> Iterator[str]:
    for name, spec in config.targets.items():
        if spec.traits.check_target:
            check = spec.traits.part("check_target")
            yield from check(name, spec, config.inputs, source, stores, train)


def _no_label(config: Config) -> str:
    """How to declare that an empty cell of labels means that none applies."""
    for name, spec in config.targets.items():
        if about := spec.about_empty():
            return f" If an empty cell of {name!r} means {about}."
    return ""


def _bad_cells(policy: str, table: Table, stores: dict, bad: list, quarantine: Path | None) -> str:
    row, name = bad[0]
    first = f"the first is row {row + 1}, column {name!r}: {stores[name].reasons[row]}"
    rows = len({row for row, _ in bad})
    where = f" All are listed in {quarantine}." if quarantine else ""
    if policy == "stop":
        raise TableError(
            f"{table.source}: {len(bad)} cells in {rows} rows can't be decoded; {first}.{where} "
            "Mend them, or set data.bad_cells: drop (leave the rows out) or missing (as if absent)."
        )
    fate = "these rows are left out" if policy == "drop" else "they count as absent"
    return f"{len(bad)} cells in {rows} rows can't be decoded and {fate}; {first}.{where}"


def write_quarantine(
    path: Path | None, config: Config, table: Table, stores: dict[str, ColumnStore], bad: list
) -> None:
    """One line per cell that can't be decoded: row (1 is the first), column, path, reason."""
    if path is None:
        return
    media = {name for name, spec in config.inputs.items() if spec.is_media}
    rows: dict[str, list[int]] = {}
    for row, name in bad:
        rows.setdefault(name, []).append(row)
    cells = {name: table.cells(name, np.array(rows[name])) for name in rows.keys() & media}
    with files.written(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "column", "path", "reason"])
        for row, name in bad:
            cell = next(cells[name]) if name in cells else None
            there = name in cells and not config.inputs[name].holds(cell)
            place = resolved(cell, table) if there else ""
            writer.writerow([row + 1, name, place, stores[name].reasons[row]])


def resolved(cell: Cell, table: Table) -> str:
    """The path of a media cell; empty if the cell holds the data itself, or a URL, which is not
    read for it."""
    if remote_url(cell):
        return ""
    try:
        place = locate(cell, table.root)
    except BadCell:
        return ""
    return str(place) if isinstance(place, Path) else ""


def never_present(config: Config, stores: dict[str, ColumnStore], train: np.ndarray) -> list[str]:
    return [
        f"{name!r} is absent from every train row: nothing can be learned from it."
        for name in config.inputs
        if not stores[name].present[train].any()
    ]


def duplicates(
    config: Config, stores: dict[str, ColumnStore], rows: dict[str, np.ndarray]
) -> list[str]:
    """Media that decode to the same array in train and in valid or test: they inflate scores."""
    notes = []
    for name, spec in config.inputs.items():
        if not spec.is_media:
            continue
        store = stores[name]
        digests = {k: store.digests[r[store.present[r]]] for k, r in rows.items()}
        for split in ("valid", "test"):
            shared = np.isin(digests[split], digests["train"])
            if shared.any():
                notes.append(
                    f"{int(shared.sum())} of {len(shared)} {split} cells of {name!r} are exact "
                    "duplicates of train cells: scores on them flatter the model."
                )
    return notes
