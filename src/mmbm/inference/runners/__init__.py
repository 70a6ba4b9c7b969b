"""Run a bundle's graphs: arrays in, arrays out, whatever the runtime.

`encode` takes, for every input column, `NAME` [B, ...], `NAME.present` [B] and, where cells vary in
length, `NAME.lengths` [B]; it returns, for every modality, `NAME.x` [B, T, D], `NAME.keep` [B, T]
and `NAME.known` [B], whether the row has any of it; and for every representation of classical
members, `NAME.features` or `NAME.embedding` [B, F]. `answer` takes those and returns `TARGET` [B,
C], for a transcript [B, T, V] with zeros after a row's last position; for a text the start state of
its generation, `TARGET.cache` [B, L, 2, h, S, D/h] and `TARGET.read` [B, S], and `step-0`, for the
first text, continues one token at a time (see `mmbm.inference.generation`: [B, T, 2]).
"""

from typing import Protocol

import numpy as np

from mmbm.config import Config
from mmbm.kinds.column import Arrays, Columns
from mmbm.specs.columns import Unit

Named = dict[str, np.ndarray]
GRAPHS = ("encode", "answer")


def graphs(config: Config) -> list[str]:
    """All graphs of a bundle: one more for each text."""
    return [*GRAPHS, *(f"step-{i}" for i in range(len(config.texts)))]


class Runner(Protocol):
    def run(self, graph: str, arrays: Named) -> Named: ...


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """The rows of several batches as one, [N, C] or [N, T, V] with T that of the longest."""
    longest = max(part.shape[1] if part.ndim == 3 else 0 for part in parts)
    return np.concatenate([lengthened(part, longest) for part in parts])


def difference(unit: Unit, ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference of two outputs of the same rows, in the target's unit."""
    if unit.generated:
        return min(1.0, farthest(ours, theirs))
    if unit.log:
        ours, theirs = (np.sign(x) * np.log1p(np.abs(x)) for x in (ours, theirs))
    return farthest(ours, theirs) / unit.std


def units(config: Config, columns: Columns) -> dict[str, Unit]:
    """The unit of each target."""
    return {
        name: spec.output_unit(columns[name].state if spec.has_cells else {})
        for name, spec in config.targets.items()
    }


def farthest(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference of two outputs of the same rows, whatever their padding."""
    longest = max(x.shape[1] if x.ndim == 3 else 0 for x in (ours, theirs))
    gap = np.abs(lengthened(ours, longest) - lengthened(theirs, longest))
    return float(gap.max(initial=0))


def lengthened(output: np.ndarray, length: int) -> np.ndarray:
    if output.ndim < 3 or output.shape[1] == length:
        return output
    return np.pad(output, [(0, 0), (0, length - output.shape[1]), (0, 0)])


def flatten(batch: dict[str, Arrays], columns: Columns) -> Named:
    """A batch as the named arrays that `encode` takes."""
    named: Named = {}
    for name, (values, lengths, present) in batch.items():
        named[name] = values
        if columns[name].storage.ragged:
            named[f"{name}.lengths"] = lengths
        named[f"{name}.present"] = present
    return named
