"""Run a bundle's graphs: arrays in, arrays out, whatever the runtime.

`encode` takes, for every input column, `NAME` [B, ...], `NAME.present` [B] and, where cells vary in
length, `NAME.lengths` [B]; it gives, for every modality, `NAME.x` [B, T, D], `NAME.keep` [B, T] and
`NAME.known` [B], whether the row has any of it. `answer` takes those and gives `TARGET` [B, C].
"""

from typing import Protocol

import numpy as np

from mmbm.columns import Arrays, Columns

Named = dict[str, np.ndarray]
GRAPHS = ("encode", "answer")


class Runner(Protocol):
    def run(self, graph: str, arrays: Named) -> Named: ...


def flatten(batch: dict[str, Arrays], columns: Columns) -> Named:
    """A batch as the named arrays that `encode` takes."""
    named: Named = {}
    for name, (values, lengths, present) in batch.items():
        named[name] = values
        if columns[name].storage.ragged:
            named[f"{name}.lengths"] = lengths
        named[f"{name}.present"] = present
    return named
