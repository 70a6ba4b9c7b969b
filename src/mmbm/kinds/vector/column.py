"""A cell of N numbers -> float32 [N]."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from mmbm.cells.arrays import is_absent, numbers
from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.column import Cell, Description, State, Storage, readable
from mmbm.kinds.number.column import LARGEST
from mmbm.kinds.vector.spec import LONGEST, VectorSpec

LENGTHS = 16
"""Distinct lengths of a column's vectors; with more it holds no vectors."""
LEAST = 1e-6
"""Relative to the mean spread of all dimensions: below it a dimension counts as constant."""


class VectorColumn:
    """N numbers in a list, an array, or text such as "[0.5, -1.2]" -> float32 [N].

    State: `length` N, `count` of vectors in train, and `mean` and `std` of each dimension (1 if it
    is constant).
    """

    version = 1
    not_decoding: ClassVar = frozenset({"count", "mean", "std"})

    def __init__(self, spec: VectorSpec, state: State | None = None):
        self.spec = spec
        self._learn(state or {})

    def fit(self, cells: Iterable[Cell]) -> State:
        """Mean and spread of each dimension. Raises ConfigError: the vectors have many lengths."""
        known: dict[int, Places] = {}
        for vector in readable(cells, self._read):
            if self.spec.length in (None, len(vector)):
                known.setdefault(len(vector), Places(len(vector))).add(vector)
            if len(known) > LENGTHS:
                lengths = ", ".join(map(str, sorted(known)[:5]))
                raise ConfigError(
                    f"its lists of numbers have more than {LENGTHS} lengths ({lengths}, …), so "
                    "they are no vectors. Use kind: series if they are steps in time, or say "
                    "which length is right: length."
                )
        most = max(known.values(), key=lambda places: places.count, default=None)
        self._learn((most or Places(self.spec.length or 1)).state())
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> float32 [N]; None if absent. Raises BadCell."""
        vector = self._read(cell)
        if vector is None:
            return None
        (length,) = self.storage.shape
        if len(vector) != length:
            raise BadCell(
                f"has {len(vector)} numbers, and the others {length}; make all vectors by one model"
            )
        return vector.astype(np.float32)

    def describe(self) -> Description:
        (length,) = self.storage.shape
        schema: dict[str, Any] = {
            "type": "array",
            "items": {"type": "number"},
            "minItems": length,
            "maxItems": length,
        }
        if self.state.get("count"):
            schema["examples"] = [[float(f"{x:.4g}") for x in self.state["mean"]]]
        return Description(schema, None, "text")

    def _read(self, cell: Cell) -> np.ndarray | None:
        """float64 [any length]; None if absent. Raises BadCell."""
        if is_absent(cell):
            return None
        vector = numbers(cell, LONGEST)
        wrong = np.flatnonzero(~(np.abs(vector) <= LARGEST))
        if len(wrong):
            place = int(wrong[0])
            raise BadCell(
                f"has {vector[place]:g} at place {place + 1} of {len(vector)}; a vector has finite "
                "numbers alone, and an unknown one is left empty"
            )
        return vector

    def _learn(self, state: State) -> None:
        self.state: State = state
        self.storage = Storage("float32", (state.get("length") or self.spec.length or 1,))


class Places:
    """Mean and spread of each dimension of vectors of one length, in one pass (Welford 1962)."""

    def __init__(self, length: int):
        self.count, self.mean, self.squares = 0, np.zeros(length), np.zeros(length)

    def add(self, vector: np.ndarray) -> None:
        self.count += 1
        delta = vector - self.mean
        self.mean += delta / self.count
        self.squares += delta * (vector - self.mean)

    def state(self) -> State:
        std = np.sqrt(self.squares / max(self.count, 1))
        std[std <= LEAST * std.mean()] = 1.0
        return {
            "length": len(self.mean),
            "count": self.count,
            "mean": self.mean.tolist(),
            "std": std.tolist(),
        }
