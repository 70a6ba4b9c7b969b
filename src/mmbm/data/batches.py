"""Batches of prepared rows, in an order that is a pure function of (seed, epoch)."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from mmbm.data.positive_groups import PositiveGroups
from mmbm.data.store import ColumnStore
from mmbm.kinds.column import Arrays


class PseudoLabels:
    """A target's store, with pseudo-labels of a model where its cells are absent."""

    def __init__(self, store: ColumnStore, guesses: dict[int, int]):
        """guesses: row of the table -> class."""
        self.store, self.guesses, self.reasons = store, guesses, store.reasons
        content = hashlib.blake2b(json.dumps(guesses).encode(), digest_size=10).hexdigest()
        self.name = f"{store.name}+{content}"
        self.present = store.present.copy()
        self.present[list(guesses)] = True

    def gather(self, rows: np.ndarray) -> Arrays:
        values, lengths, _ = self.store.gather(rows)
        for i, row in enumerate(rows.tolist()):
            values[i] = self.guesses.get(row, values[i])
        return Arrays(values, lengths, self.present[rows])


Prepared = ColumnStore | PositiveGroups | PseudoLabels
"""A column of prepared cells, a contrastive target's keys, or a target with pseudo-labels."""

WINDOW = 32
"""Batches of rows with similar lengths: little padding, still well shuffled."""

LARGEST = 1 << 26
"""Maximum samples and tokens of a batch, padding included; above it batches have fewer rows."""


class NumpyBatch(NamedTuple):
    inputs: dict[str, Arrays]
    targets: dict[str, Arrays]
    rows: np.ndarray  # [B] row numbers in the table


class Split:
    """The prepared rows of one split."""

    def __init__(
        self,
        stores: Mapping[str, Prepared],
        inputs: list[str],
        targets: list[str],
        rows: np.ndarray,
    ):
        self.stores, self.inputs, self.targets, self.rows = stores, inputs, targets, rows

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, positions: np.ndarray) -> NumpyBatch:
        rows = self.rows[positions]
        return NumpyBatch(
            {name: self.stores[name].gather(rows) for name in self.inputs},
            {name: self.stores[name].gather(rows) for name in self.targets},
            rows,
        )

    def lengths(self) -> np.ndarray:
        """Relative lengths of each audio clip and text [K, N], as fractions of its longest one."""
        stores = (self.stores[name] for name in self.inputs)
        ragged = [
            s.lengths[self.rows] for s in stores if isinstance(s, ColumnStore) and s.storage.ragged
        ]
        parts = [x / x.max(initial=1) for x in ragged]
        return np.array(parts).reshape(len(parts), len(self))

    def length(self) -> np.ndarray:
        """Total length of each row's inputs [N]."""
        return self.lengths().sum(0)

    def in_order(self, batch: int) -> Iterator[tuple[np.ndarray, NumpyBatch]]:
        """Every row once, similar lengths together: (positions, batch)."""
        order = np.argsort(self.length(), kind="stable")
        stores = (self.stores[name] for name in self.inputs)
        lengths = [s.lengths[self.rows[order]] for s in stores if isinstance(s, ColumnStore)]
        longest = np.sum(lengths, axis=0)
        start = 0
        while start < len(order):
            end = start + 1
            while end < min(start + batch, len(order)) and (
                (end + 1 - start) * longest[end] <= LARGEST
            ):
                end += 1
            yield order[start:end], self.gather(order[start:end])
            start = end

    def steps(self, batch: int) -> int:
        return max(len(self) // batch, 1)

    def order(self, seed: int, epoch: int, batch: int) -> list[np.ndarray]:
        """The positions of each step's batch. Rows beyond whole batches are skipped."""
        generator = np.random.default_rng([seed, epoch])
        steps = self.steps(batch)
        order = generator.permutation(len(self))[: steps * batch]
        lengths = self.lengths()
        if not np.ptp(lengths, axis=1).any():
            return np.array_split(order, steps)
        windows = np.split(order, range(WINDOW * batch, len(order), WINDOW * batch))
        batches = [rows for window in windows for rows in alike(window, lengths, batch)]
        return [batches[i] for i in generator.permutation(len(batches))]

    def batches(
        self, seed: int, epoch: int, batch: int, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[NumpyBatch]:
        """The epoch's batches from step `start` on, prefetched by a thread (Grain).

        With several processes, each gets its own part of every batch.
        """
        logging.getLogger("absl").setLevel(logging.ERROR)  # grain searches for JAX and logs it
        import grain

        order = [np.array_split(rows, world)[rank] for rows in self.order(seed, epoch, batch)]
        ahead = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
        dataset = grain.MapDataset.source(order[start:]).map(self.gather)
        yield from dataset.to_iter_dataset(ahead)


def alike(rows: np.ndarray, lengths: np.ndarray, batch: int) -> list[np.ndarray]:
    """Batches of rows of similar lengths [K, N]: split in half along the longest dimension,
    recursively, as in a k-d tree (Bentley 1975)."""
    if len(rows) < 2 * batch:
        return [rows]
    most = lengths[np.argmax(lengths[:, rows].std(1))]
    rows = rows[np.argsort(most[rows], kind="stable")]
    half = len(rows) // batch // 2 * batch
    return alike(rows[:half], lengths, batch) + alike(rows[half:], lengths, batch)
