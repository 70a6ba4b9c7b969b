"""A category cell -> the int32 index of its value."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from mmbm.cells.spelling import PAIRS, Key, alias, all_truth, truth
from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.category.spec import CategorySpec, CategoryTarget
from mmbm.kinds.column import Cell, Description, State, Storage

CHOICES = 100
"""Maximum number of values that a form or a schema lists."""

# What pandas writes for the whole numbers of a column with gaps; not 007.0, which is a code.
_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0+", re.ASCII)
_TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}


def name(cell: Cell) -> str | None:
    """The one spelling of a value: 3, 3.0 and "3" are "3", True is "true"; None if absent.

    Raises BadCell if it is no single value.
    """
    if cell is None:
        return None
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating):
        if math.isnan(cell):
            return None
        if cell == int_or_nan(float(cell)):
            return str(int(cell))
        return repr(cell if isinstance(cell, float) else float(str(cell)))  # a float32's 0.1
    if isinstance(cell, int | np.integer):
        return str(int(cell))
    if isinstance(cell, bytes):
        try:
            cell = cell.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadCell("is bytes that are not UTF-8 text") from error
    if not isinstance(cell, str):
        raise BadCell(f"is a {type(cell).__name__}, not one value")
    text = unicodedata.normalize("NFC", cell).strip()
    whole = _WHOLE.fullmatch(text)
    if whole:
        return "0" if whole[1] == "-0" else whole[1]
    return _TRUTH.get(text, text) or None


def marks(missing: Iterable[str]) -> frozenset[str]:
    """The option `missing` of a column as names of values."""
    return frozenset(filter(None, map(name, missing)))


def int_or_nan(value: float) -> float:
    """`value` without its fraction; NaN where floats no longer represent all whole numbers."""
    return float(math.trunc(value)) if abs(value) < 2**53 else math.nan


def spelled(cell: Cell) -> bool | int | float | str:
    """The answer's form of a present cell: in its own type, a text in its own spelling."""
    if isinstance(cell, bool | np.bool_):
        return bool(cell)
    if isinstance(cell, int | np.integer):
        return int(cell)
    if isinstance(cell, float | np.floating):
        return cell if isinstance(cell, float) else float(str(cell))
    text = cell.decode("utf-8") if isinstance(cell, bytes) else str(cell)
    return unicodedata.normalize("NFC", text).strip()


def text(value: bool | int | float | str) -> str:
    """An answer as text: `true`, `1`; a text is returned unchanged."""
    return value if isinstance(value, str) else name(value) or ""


def shown(state: State) -> list[bool | int | float | str]:
    """The values of a column as answers give them: in the type and spelling of the table."""
    return state.get("shown") or state.get("values", [])


class CategoryColumn:
    """One value out of those seen in training -> int32: 1, 2, … by name; 0 is unseen or rare.

    State: `values` (sorted), `counts` (rows of each in train), `rare` (rows of values below
    `min_count`); `shown`, each in the type and spelling of most of its cells, where that differs.
    """

    version = 2
    not_decoding: ClassVar = frozenset({"counts", "shown", "rare"})

    def __init__(self, spec: CategorySpec | CategoryTarget, state: State | None = None):
        self.spec = spec
        self.storage = Storage("int32", ())
        self._missing = marks(spec.missing)
        self._learn(state or {})

    def fit(self, cells: Iterable[Cell]) -> State:
        """Count the values. Raises ConfigError when there are more than `max_values`."""
        seen: dict[str, Spellings] = {}
        for cell in cells:
            try:
                value = name(cell)
            except BadCell:
                continue  # the quarantine reports it when the cell is decoded
            if value is not None and value not in self._missing:
                spelling = spelled(cell)
                seen.setdefault(value, Counter())[type(spelling).__name__, spelling] += 1
                if len(seen) > self.spec.max_values:
                    raise ConfigError(
                        f"more than {self.spec.max_values} different values: it looks like text or "
                        "an identifier. Use kind: text, leave it out, or raise max_values."
                    )
        seen = joined_truths(seen)
        counts = {value: spellings.total() for value, spellings in seen.items()}
        kept = sorted(v for v, n in counts.items() if n >= self.spec.min_count)
        learned: State = {
            "values": kept,
            "counts": [counts[value] for value in kept],
            "rare": sum(n for n in counts.values() if n < self.spec.min_count),
        }
        answers = one_type([seen[value].most_common(1)[0][0][1] for value in kept])
        self._learn(learned if answers == kept else {**learned, "shown": answers})
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> int32 []; None if absent. Raises BadCell."""
        value = name(cell)
        if value is None or value in self._missing:
            return None
        return np.asarray(self.index(value), dtype=np.int32)

    def index(self, value: str) -> int:
        """The index of a value by its name, or by another spelling of it; 0 if training never saw
        it."""
        found = self._index.get(value)
        if found is None and (key := alias(value, self._truths)) is not None:
            found = self._aliases.get((type(key), key))
        return found or 0

    def unseen(self, cell: Cell) -> list[str]:
        """The cell's value, if training never saw it. Raises BadCell."""
        value = name(cell)
        known = value is None or value in self._missing or self.index(value)
        return [] if known or value is None else [value]

    def describe(self) -> Description:
        values = self.state.get("values", [])
        listed: dict[str, Any] = {"type": "string"}
        if values:
            listed["enum" if len(values) <= CHOICES else "examples"] = values[:CHOICES]
        return Description(listed, None, "choice")

    def _learn(self, state: State) -> None:
        self.state: State = state
        values = state.get("values", [])
        self._index = {value: i for i, value in enumerate(values, start=1)}
        self._truths = all_truth(values)
        self._aliases: dict[tuple[type, Key], int] = {}
        twice = set()
        for value, place in self._index.items():
            if (key := alias(value, self._truths)) is not None:
                twice |= {(type(key), key)} & self._aliases.keys()
                self._aliases[type(key), key] = place
        for key in twice:  # two values that training distinguished share it
            del self._aliases[key]


Spellings = Counter[tuple[str, bool | int | float | str]]
"""How often a value was written in each type and spelling."""


def joined_truths(seen: dict[str, Spellings]) -> dict[str, Spellings]:
    """Of a column of truth values, all spellings of true as one value, and all of false."""
    if not all_truth(seen):
        return seen
    usual = max(seen, key=lambda value: (seen[value].total(), value)).lower()
    pair = next(pair for pair in PAIRS if usual in pair)
    joined: dict[str, Spellings] = {}
    for side, word in enumerate(pair):
        names = [value for value in seen if truth(value) is bool(side)]
        own = [value for value in names if value.lower() == word]
        if names:
            most = max(own, key=lambda value: seen[value].total(), default=word)
            joined[most] = sum((seen[value] for value in names), Counter())
    return joined


def one_type(values: list[bool | int | float | str]) -> list[bool | int | float | str]:
    """Values unchanged, or all as text where types differ: a column of answers has one."""
    types = {type(value) for value in values}
    if types == {int, float}:
        return [float(value) for value in values]
    return values if len(types) < 2 else [text(value) for value in values]


def extended(spec: CategorySpec | CategoryTarget, old: State, new: State) -> State:
    """Classes of an earlier bundle keep their indices and spellings; new ones are appended."""
    known = CategoryColumn(spec, old)
    values, answers = list(old["values"]), list(shown(old))
    counts = [0] * len(values)
    for value, count, answer in zip(new["values"], new["counts"], shown(new)):
        place = known.index(value)
        if place:
            counts[place - 1] += count
        else:
            values.append(value)
            counts.append(count)
            answers.append(answer)
    return {**new, "values": values, "counts": counts, "shown": one_type(answers)}
