"""Drift monitoring: a histogram per input, compared with training by its PSI.

`reference` is computed when a bundle is written: shares of a number's deciles, of a category's most
frequent values, and, for images, audio and texts, of the deciles of the embedding's distance from
the mean. `Drift` counts the same for answered rows, old rows fading, and computes the population
stability index (Lewis 1994): under 0.1 is alike, over 0.25 is another population.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmbm.config import Config
from mmbm.data.batches import Split
from mmbm.inference.runners import Named, Runner, flatten
from mmbm.kinds.column import Arrays, Columns

BINS = 10
FREQUENT = 20
"""Values of a category, or labels, that have a bin of their own."""
SAMPLE = 1000
"""Rows that embeddings are measured on."""
MEMORY = 1000
"""Rows after which an old row counts 1/e of a new one."""
ENOUGH = 100
"""Minimum number of rows for an index."""
BATCH = 64

Reference = dict[str, dict[str, Any]]


def reference(
    config: Config, columns: Columns, splits: dict[str, Split], runner: Runner
) -> Reference:
    """The reference of `Drift`, by input, as plain JSON.

    Values are those of the train split. Distances are of the valid split, unseen in training like
    new rows, from the mean embedding of the train split.
    """
    train, valid = sample(splits["train"]), sample(splits["valid"])
    media = [name for name, spec in config.inputs.items() if not spec.tabular]
    learned: Reference = {}
    known = embeddings(runner, train, columns, media)
    held_out = embeddings(runner, valid, columns, media)
    for name, spec in config.inputs.items():
        if name in media:
            if not (len(known[name]) and len(held_out[name])):
                continue  # never present: nothing to compare with
            space = {"mean": known[name].mean(0).tolist(), "std": known[name].std(0).tolist()}
            far = distance(held_out[name], space)
            learned[name] = {**space, "edges": deciles(far)}
            rows = valid
            values = np.zeros(len(rows))
            present = rows.stores[name].present[rows.rows]
            values[present] = far
        elif spec.drift != "none":
            rows = splits["train"]
            values, _, present = rows.stores[name].gather(rows.rows)
            if spec.drift == "distance":
                state = columns[name].state
                space = {"mean": state["mean"], "std": state["std"]}
                values = distance(values, space)
                learned[name] = {**space, "edges": deciles(values[present])}
            elif spec.drift == "numbers":
                values = spec.measured(values)
                learned[name] = {"edges": deciles(values[present])}
            else:
                counts, first = columns[name].state["counts"], spec.encoding == "one_hot"
                learned[name] = {"frequent": frequent(counts, first)}
        else:
            continue
        counts = count(learned[name], values, present)
        learned[name]["share"] = (counts / counts.sum()).tolist()
    return learned


class Drift:
    """Fading counts of the inputs. Not thread-safe: one runner thread adds, others may read."""

    def __init__(self, learned: Reference, inputs: Mapping[str, Any]):
        self.learned, self.inputs = learned, inputs
        self.counts = {name: np.zeros(len(one["share"])) for name, one in learned.items()}
        self.rows = 0

    def add(self, batch: dict[str, Arrays], encoded: Named) -> None:
        """Add a batch of decoded inputs and the output of `encode` for it."""
        for name, one in self.learned.items():
            spec, (values, _, present) = self.inputs[name], batch[name]
            if not spec.tabular:
                values = distance(pooled(encoded, name), one)
            elif spec.drift == "distance":
                values = distance(values, one)
            elif spec.drift == "numbers":
                values = spec.measured(values)
            self.counts[name] *= np.exp(-len(present) / MEMORY)
            self.counts[name] += count(one, values, present)
        self.rows += len(next(iter(batch.values())).present)

    def index(self) -> dict[str, float]:
        """PSI by input; empty until there are enough rows."""
        if self.rows < ENOUGH:
            return {}
        return {
            name: psi(np.array(one["share"]), self.counts[name])
            for name, one in self.learned.items()
        }


def psi(share: np.ndarray, counts: np.ndarray) -> float:
    """Sum of (p - q)·ln(p/q) over the bins; half a row is added to each, so that none is empty."""
    p = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    q = (share * MEMORY + 0.5) / (MEMORY + 0.5 * len(share))
    return float(((p - q) * np.log(p / q)).sum())


def count(learned: dict[str, Any], values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Rows in each bin; the last bin counts missing values."""
    if "edges" in learned:
        bins = len(learned["edges"]) + 1
        places = np.searchsorted(learned["edges"], values[present], side="right")
    else:
        bins = len(learned["frequent"]) + 1
        one_hot = values[present]
        indices = np.nonzero(one_hot)[1] if one_hot.ndim == 2 else one_hot  # labels: each counts
        bin_of = {index: place for place, index in enumerate(learned["frequent"])}
        places = np.array([bin_of.get(i, bins - 1) for i in indices.tolist()], np.int64)
    counts = np.bincount(places, minlength=bins + 1).astype(float)
    counts[-1] = len(present) - present.sum()
    return counts


def deciles(values: np.ndarray) -> list[float]:
    """Inner edges of ten bins; fewer where values repeat."""
    if not len(values):
        return []
    return np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])).tolist()


def frequent(counts: list[int], first: bool) -> list[int]:
    """Stored indices of the most frequent values; a category's start at 1."""
    return [int(i) + first for i in np.argsort(counts)[::-1][:FREQUENT]]


def sample(rows: Split) -> Split:
    chosen = np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int)
    return Split(rows.stores, rows.inputs, rows.targets, rows.rows[chosen])


def embeddings(
    runner: Runner, rows: Split, columns: Columns, names: list[str]
) -> dict[str, np.ndarray]:
    """Embeddings of the rows, in their order, that have the input [N, D]."""
    found: dict[str, np.ndarray] = {name: np.empty((0, 0)) for name in names}
    parts: dict[str, list] = {name: [] for name in names}
    order = []
    for places, batch in rows.in_order(BATCH):
        encoded = runner.run("encode", flatten(batch.inputs, columns))
        order.append(places)
        for name in names:
            parts[name].append(pooled(encoded, name))
    back = np.argsort(np.concatenate(order))
    for name in names:
        present = rows.stores[name].present[rows.rows]
        found[name] = np.concatenate(parts[name])[back][present]
    return found


def pooled(encoded: Named, name: str) -> np.ndarray:
    """Mean over a modality's tokens [B, D]."""
    keep = encoded[f"{name}.keep"][..., None]
    return (encoded[f"{name}.x"] * keep).sum(1) / keep.sum(1)


def distance(embedded: np.ndarray, space: dict[str, Any]) -> np.ndarray:
    """Root mean square of the standard scores of an embedding [B, D] -> [B]."""
    mean, std = np.array(space["mean"]), np.array(space["std"])
    return np.sqrt((((embedded - mean) / (std + 1e-6)) ** 2).mean(-1))
