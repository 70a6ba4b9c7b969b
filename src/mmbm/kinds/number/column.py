"""A number cell -> one float64."""

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from mmbm.cells.notation import Notation
from mmbm.errors import BadCell
from mmbm.kinds.column import Cell, Description, State, Storage, readable
from mmbm.kinds.number.spec import NumberSpec, NumberTarget

LARGEST = 1e30
"""Smaller values stay finite as float32, as answers are, and so do their squares in float64."""
RESERVOIR = 100_000
"""Values sampled for the quantiles: their error is about 0.2 % of the rows."""

PLAIN = Notation()


def parse(cell: Cell | Decimal, notation: Notation = PLAIN) -> float | None:
    """A cell -> a finite number, None if it is absent. Text is parsed by `notation`. Raises
    BadCell."""
    if cell is None:
        return None
    if isinstance(cell, bytes):
        try:
            cell = cell.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadCell("is not a number but bytes") from error
    if isinstance(cell, str):
        value = notation.read(cell)
        if value is None:
            return None
    elif isinstance(cell, bool | int | float | Decimal | np.number):
        try:
            value = float(cell)
        except OverflowError as error:
            raise BadCell("is too large a number") from error
        if math.isnan(value) or (notation.missing and _is_mark(value, notation.missing)):
            return None
    else:
        raise BadCell(f"is a {type(cell).__name__}, not a number")
    if math.isinf(value):
        raise BadCell("is infinite")
    if abs(value) > LARGEST:
        raise BadCell(f"is too large a number ({value:g})")
    return value


def _is_mark(value: float, marks: frozenset[str]) -> bool:
    """`missing: [-999]` matches the number too, in any numeric type of a table."""
    return repr(value) in marks or (value.is_integer() and str(int(value)) in marks)


class NumberColumn:
    """A number, or text in the notation of the options, -> a float64; with `log` its signed
    logarithm.

    State: `mean` and `std` (1 if constant) and `edges` (at least two, rising: quantiles) of what
    `decode` returns; `minimum` and `maximum` in the cell's own unit; `count` of numbers.
    """

    version = 2
    not_decoding: ClassVar = frozenset({"edges"})

    def __init__(self, spec: NumberSpec | NumberTarget, state: State | None = None):
        self.spec = spec
        self.state: State = state or {}
        self.storage = Storage("float64", ())
        self._notation = Notation.of(spec)

    def fit(self, cells: Iterable[Cell]) -> State:
        """One pass in bounded memory; the quantiles come from a fixed-seed random sample."""
        rng = np.random.default_rng(0)
        sample = np.empty(0)
        count, mean, squares = 0, 0.0, 0.0
        low, high = math.inf, -math.inf
        numbers = self._numbers(cells)
        while len(raw := np.fromiter(islice(numbers, 8192), dtype=np.float64)):
            low, high = min(low, float(raw.min())), max(high, float(raw.max()))
            block = self._scale(raw)
            # Chan et al. 1979: mean and sum of squared differences of two parts together.
            size, here = len(block), float(block.mean())
            delta, total = here - mean, count + size
            squares += float(((block - here) ** 2).sum()) + delta * delta * count * size / total
            mean += delta * size / total
            sample = _keep(sample, block, count, rng)
            count = total
        self.state = {
            "mean": mean,
            "std": _spread(squares, count, mean),
            "edges": _edges(sample, self.spec.bins),
            "minimum": low if count else 0.0,
            "maximum": high if count else 0.0,
            "count": count,
        }
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> float64 []; None if absent. Raises BadCell."""
        value = parse(cell, self._notation)
        if value is None:
            if self.spec.missing is False:
                raise BadCell("is empty, and missing is false")
            return None
        return self._scale(np.float64(value))

    def describe(self) -> Description:
        schema: dict[str, Any] = {"type": "number"}
        if self.state.get("count"):
            low, high = self.state["minimum"], self.state["maximum"]
            schema["examples"] = [low, high]
            schema["description"] = f"Seen in training: from {low:g} to {high:g}."
        return Description(schema, None, "number")

    def _numbers(self, cells: Iterable[Cell]) -> Iterator[float]:
        return readable(cells, lambda cell: parse(cell, self._notation))

    def _scale(self, raw: np.ndarray | np.float64) -> np.ndarray:
        values = np.sign(raw) * np.log1p(np.abs(raw)) if self.spec.log else raw
        return np.asarray(values, dtype=np.float64)


def _keep(sample: np.ndarray, block: np.ndarray, seen: int, rng: np.random.Generator) -> np.ndarray:
    """Reservoir sampling (Vitter 1985, algorithm R), a block at a time."""
    room = RESERVOIR - len(sample)
    if room > 0:
        sample = np.concatenate([sample, block[:room]])
        block, seen = block[room:], seen + min(room, len(block))
    if len(block):
        places = rng.integers(0, np.arange(seen + 1, seen + len(block) + 1))
        chosen = places < RESERVOIR
        sample[places[chosen]] = block[chosen]
    return sample


def _spread(squares: float, count: int, mean: float) -> float:
    std = math.sqrt(squares / count) if count else 0.0
    return std if std > 1e-9 * max(1e-9, abs(mean)) else 1.0  # less is rounding of a constant


def _edges(sample: np.ndarray, bins: int) -> list[float]:
    if not len(sample):
        return [0.0, 1.0]
    edges = np.unique(np.quantile(sample, np.linspace(0, 1, bins + 1)))
    if len(edges) > 1:
        return [float(e) for e in edges]
    only = float(edges[0])  # the other edge is another number, however large this one is
    return [only, only + max(1.0, abs(only) * 1e-6)]
