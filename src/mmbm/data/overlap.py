"""Duplicate rows: across the splits of a table, and between it and a bundle's training data.

A row is identified by 8 bytes: a digest of its decoded cells. So a csv, a parquet file and a
DataFrame of one table agree, and a bundle keeps none of the cells themselves.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmbm.config import Config
from mmbm.data.store import ColumnStore

SPLITS = ("train", "valid", "test")

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: splitmix64 (Steele et al. 2014)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def row_digests(stores: Mapping[str, Any], names: Iterable[str]) -> np.ndarray:
    """uint64 [rows of the table], over these columns (those of them that have cells)."""
    digest: np.ndarray | None = None
    for name in sorted(names):
        store = stores[name]
        if isinstance(store, ColumnStore):
            before = np.zeros_like(store.digests) if digest is None else digest
            digest = _mixed(before * _MIX[0] + _ODD ^ store.digests)
    return np.empty(0, np.uint64) if digest is None else digest


def _mixed(x: np.ndarray) -> np.ndarray:
    """The last step of splitmix64: every bit of the result depends on every bit of `x`."""
    x = (x ^ (x >> np.uint64(30))) * _MIX[0]
    x = (x ^ (x >> np.uint64(27))) * _MIX[1]
    return x ^ (x >> np.uint64(31))


def trained_rows(config: Config, splits: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Digests that a bundle keeps of its training data."""
    stores = splits["train"].stores
    digests = row_digests(stores, config.columns)
    return {split: np.sort(digests[rows.rows]) for split, rows in splits.items()}


def members(digests: np.ndarray, known: np.ndarray) -> np.ndarray:
    """bool [N]: which rows are among `known`, each of these taken once, in the order of rows."""
    order = np.argsort(digests, kind="stable")
    values, start = np.unique(digests[order], return_index=True)
    place = np.arange(len(digests)) - np.repeat(start, np.diff([*start, len(digests)]))
    low, high = (np.searchsorted(known, values, side=side) for side in ("left", "right"))
    most = np.repeat(high - low, np.diff([*start, len(digests)]))
    result = np.zeros(len(digests), bool)
    result[order] = place < most
    return result


class Chosen(NamedTuple):
    """Rows of a table to evaluate, and the messages about the choice."""

    rows: np.ndarray
    notes: list[str]


def choose_rows(
    source: str, digests: np.ndarray, known: Mapping[str, np.ndarray], split: str | None
) -> Chosen:
    """Rows of any table that belong to a split of the training table, by content.

    `test` is all that the model was not trained on: neither a train row nor one that chose its
    weights (valid). None selects all rows.
    """
    rows = np.arange(len(digests))
    trained = members(digests, np.sort(np.concatenate([known["train"], known["valid"]])))
    if split is None:
        return Chosen(rows, overlap_notes(source, rows, digests, known))
    if split != "test":
        chosen = rows[members(digests, known[split])]
        return Chosen(chosen, [f"{source}: {len(chosen)} of {len(rows)} rows are {split} rows."])
    if not trained.any():
        return Chosen(
            rows, [f"{source}: no row of it was trained on; all {len(rows)} are measured."]
        )
    fresh = rows[~trained]
    if not len(fresh):
        return Chosen(
            rows,
            [
                f"{source}: all {len(rows)} rows are rows that the model was trained on. They are "
                "measured, but these scores flatter it."
            ],
        )
    tested = int(members(digests[fresh], known["test"]).sum())
    return Chosen(
        fresh,
        [
            f"{source}: {int(trained.sum())} of {len(rows)} rows are left out, as the model was "
            f"trained on them; {len(fresh)} are measured ({tested} of the test split, "
            f"{len(fresh) - tested} new). --split all (in Python: split=None) "
            "measures every row."
        ],
    )


def overlap_notes(
    source: str, rows: np.ndarray, digests: np.ndarray, known: Mapping[str, np.ndarray]
) -> list[str]:
    """Messages on rows that are evaluated because the caller, or a split column, selects them."""
    both = np.sort(np.concatenate([known["train"], known["valid"]]))
    count = int(members(digests[rows], both).sum())
    if not count:
        return []
    return [
        f"{source}: {count} of the {len(rows)} rows that are measured are rows that the model was "
        "trained on: scores on them flatter it."
    ]


def repeated(
    config: Config, stores: Mapping[str, Any], rows: Mapping[str, np.ndarray]
) -> list[str]:
    """Rows of valid and test whose inputs are those of a train row."""
    digests = row_digests(stores, config.inputs)
    if not len(digests):
        return []
    some = np.any([stores[name].present for name in config.inputs], axis=0)
    train = digests[rows["train"]]
    said = []
    for split in ("valid", "test"):
        same = np.isin(digests[rows[split]], train) & some[rows[split]]
        count = int(same.sum())  # rows without any input are not duplicates
        if count:
            said.append(
                f"{count} of {len(rows[split])} {split} rows have the same inputs as a train row "
                "(duplicates): scores on them flatter the model. If rows were repeated, drop the "
                "copies, or keep them together: data.split: {group: COLUMN}."
            )
    return said
