"""Splitting rows into train, valid and test: by a column, at random, by group or by time.

Every rule is a pure function of the table, the spec and its seed; pure numpy.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from mmbm.config import SplitSpec
from mmbm.data.dates import CURE, NoDate, moments
from mmbm.data.table import Table
from mmbm.errors import BadCell, TableError
from mmbm.kinds.category.column import name
from mmbm.kinds.column import Cell
from mmbm.specs.columns import TargetSpec

NAMES = ("train", "valid", "test")
SYNONYMS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}
VALID_OF_TRAIN = 0.1
"""Fraction of the train rows used as valid rows if the table's own column names none."""
FEW = 3
"""A class with fewer rows than this is only trained on: it can't be held out twice."""


class Splits(dict[str, np.ndarray]):
    """`train`, `valid`, `test`: the sorted int64 numbers of their rows; `notes` for the user."""

    notes: tuple[str, ...] = ()


def split_rows(table: Table, spec: str | SplitSpec, targets: Mapping[str, TargetSpec]) -> Splits:
    """The rows of each split. `targets` determines the category to stratify by (the first).

    Raises TableError: an unknown value in the split column, or too few rows or groups.
    """
    if isinstance(spec, str):
        return _by_column(table, spec, targets)
    if spec.time is not None:
        assigned = _by_time(table, spec)
    elif spec.group is not None:
        assigned = _by_group(table, spec)
    else:
        strata = _strata(table, targets)
        assigned = _by_chance(strata, _counts(table.rows, spec), spec.seed)
    splits = _collect(assigned)
    if not len(splits["train"]):
        raise TableError(f"{table.source}: {table.rows} rows are too few to split.")
    return splits


def fold_rows(table: Table, spec: SplitSpec, targets: Mapping[str, TargetSpec]) -> np.ndarray:
    """int64 [rows]: the fold of each row, 0 to folds-1; -1 for the test rows, which are excluded.

    Folds are stratified, or of whole groups, or consecutive in time, by `spec`.
    """
    folds = spec.folds or 2
    held = spec.model_copy(update={"valid": 0.0})
    test = split_rows(table, held, targets)["test"] if spec.test else np.empty(0, dtype=np.int64)
    free = np.setdiff1d(np.arange(table.rows), test)
    result = np.full(table.rows, -1, dtype=np.int64)
    if spec.group is not None:
        groups = groups_of(table, spec.group)[free]
        result[free] = _share_groups(groups, [len(free) / folds] * folds, spec.seed)
    elif spec.time is not None:
        order = free[np.argsort(times(table, spec.time)[free], kind="stable")]
        result[order] = np.arange(len(order)) * folds // len(order)
    else:
        order = free[_shuffled(_strata(table, targets)[free], spec.seed)]
        result[order] = np.arange(len(order)) % folds
    if len(np.unique(result[free])) < folds:
        what = f"values of {spec.group!r}" if spec.group else "rows"
        raise TableError(f"{table.source}: there are fewer {what} than folds ({folds}).")
    return result


# ── the rules: each returns int8 [rows], an index into NAMES ─────────────────────────────────────


def _by_column(table: Table, column: str, targets: Mapping[str, TargetSpec]) -> Splits:
    assigned = np.empty(table.rows, dtype=np.int8)
    for row, cell in enumerate(table.cells(column)):
        split = SYNONYMS.get(str(cell).strip().lower())
        if split is None:
            what = "is empty" if cell is None else f"says {str(cell)[:40]!r}"
            raise TableError(
                f"{table.source}: row {row + 1}: the split column {column!r} {what}; it must be "
                "train, valid or test."
            )
        assigned[row] = NAMES.index(split)
    splits = _collect(assigned)
    train = splits["train"]
    if not len(train):
        raise TableError(f"{table.source}: the split column {column!r} has no train rows.")
    if not len(splits["valid"]) and len(train) > 1:
        strata = _strata(table, targets)[train]
        count = max(1, round(VALID_OF_TRAIN * len(train)))
        assigned[train] = _by_chance(strata, (count, 0), SplitSpec().seed)
        splits = _collect(assigned)
        splits.notes = (
            f"The split column {column!r} has no valid rows: {len(splits['valid'])} of its "
            f"{len(train)} train rows, drawn at random, validate instead.",
        )
    return splits


def _by_chance(strata: np.ndarray, counts: tuple[int, int], seed: int) -> np.ndarray:
    """`counts` rows for valid and test, every stratum in proportion.

    The shuffled rows are ordered by stratum, and every n-th is taken: each stratum contributes its
    share to within one row, and the totals are exact.
    """
    valid, test = counts
    assigned = np.zeros(len(strata), dtype=np.int8)
    sizes = np.bincount(strata)
    order = _shuffled(strata, seed)
    many = order[sizes[strata[order]] >= FEW]
    order = many if len(many) > valid + test else order  # unless nearly every class is that small
    taken = _every(len(order), test)
    assigned[order[taken]] = NAMES.index("test")
    order = order[~taken]
    assigned[order[_every(len(order), valid)]] = NAMES.index("valid")
    return assigned


def _by_group(table: Table, spec: SplitSpec) -> np.ndarray:
    groups = groups_of(table, str(spec.group))
    valid, test = _counts(table.rows, spec)
    wanted = {"train": table.rows - valid - test, "valid": valid, "test": test}
    used = [split for split in NAMES if wanted[split]]
    distinct = len(np.unique(groups))
    if distinct < len(used):
        raise TableError(
            f"{table.source}: column {spec.group!r} has {distinct} different values, too few for "
            f"{' and '.join(used)}."
        )
    share = _share_groups(groups, [wanted[split] for split in used], spec.seed)
    return np.array([NAMES.index(split) for split in used], dtype=np.int8)[share]


def _by_time(table: Table, spec: SplitSpec) -> np.ndarray:
    """The latest rows test, those before them validate; rows of the same time stay together."""
    values = times(table, str(spec.time))
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order])) + 1  # places where a new moment begins
    valid, test = _counts(len(values), spec)

    def cut(position: int, before: int) -> int:  # the nearest such place
        places = starts[starts < before]
        if not len(places):
            raise TableError(
                f"{table.source}: column {spec.time!r} has {len(starts) + 1} different values, too "
                "few to split by."
            )
        return int(places[np.argmin(np.abs(places - position))])

    last = cut(len(values) - test, len(values)) if test else len(values)
    first = cut(len(values) - test - valid, last) if valid else last
    assigned = np.zeros(len(values), dtype=np.int8)
    assigned[order[first:last]] = NAMES.index("valid")
    assigned[order[last:]] = NAMES.index("test")
    return assigned


# ── parts of the rules ───────────────────────────────────────────────────────────────────────────


def _collect(assigned: np.ndarray) -> Splits:
    return Splits({s: np.flatnonzero(assigned == i).astype(np.int64) for i, s in enumerate(NAMES)})


def _counts(rows: int, spec: SplitSpec) -> tuple[int, int]:
    """Rows for valid and test: the fractions, but at least one where a fraction is above zero."""
    valid, test = (max(1, round(rows * f)) if f else 0 for f in (spec.valid, spec.test))
    if valid + test >= rows:  # rounded up both, of very few rows
        valid = min(valid, 1)
        test = min(test, max(1, rows - valid - 1))
    return valid, test


def _strata(table: Table, targets: Mapping[str, TargetSpec]) -> np.ndarray:
    """int64 [rows]: the class of each row in the first category target; 0 without such a target."""
    target = next((n for n, spec in targets.items() if spec.task == "multiclass"), None)
    if target is None:
        return np.zeros(table.rows, dtype=np.int64)
    return _codes(table, target)


def groups_of(table: Table, column: str) -> np.ndarray:
    """int64 [rows]; rows with an empty cell form one group, since they may belong together."""
    return _codes(table, column)


def _codes(table: Table, column: str) -> np.ndarray:
    codes: dict[str | None, int] = {}
    result = np.empty(table.rows, dtype=np.int64)
    for row, cell in enumerate(table.cells(column)):
        result[row] = codes.setdefault(_key(cell), len(codes))
    return result


def _key(cell: Cell) -> str | None:
    try:
        return name(cell)
    except BadCell:
        return None


def _shuffled(strata: np.ndarray, seed: int) -> np.ndarray:
    """Row numbers, stratum by stratum, at random inside each."""
    shuffled = np.random.default_rng(seed).permutation(len(strata))
    return shuffled[np.argsort(strata[shuffled], kind="stable")]


def _every(size: int, count: int) -> np.ndarray:
    """bool [size] with `count` true positions, spread as evenly as possible."""
    count = min(count, size)
    steps = (np.arange(size + 1) * count + size // 2) // max(1, size)
    return np.diff(steps) > 0


def _share_groups(groups: np.ndarray, wanted: list[float], seed: int) -> np.ndarray:
    """int64 [rows]: an index into `wanted` (rows for each part), no group in two parts.

    Greedy: the largest group first, each to the part that lacks most rows; an empty part then takes
    the smallest group of the part that has most groups.
    """
    distinct, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(distinct))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    lacking = np.array(wanted, dtype=np.float64)
    part = np.empty(len(distinct), dtype=np.int64)
    for group in order:
        part[group] = int(np.argmax(lacking))
        lacking[part[group]] -= sizes[group]
    for empty in range(len(wanted)):
        members = np.bincount(part, minlength=len(wanted))
        if members[empty] == 0 and members.max() > 1:
            donor = np.flatnonzero(part == members.argmax())
            part[donor[np.argmin(sizes[donor])]] = empty
    return part[inverse]


class Cells:
    """A column for several passes."""

    def __init__(self, table: Table, column: str):
        self.table, self.column = table, column

    def __iter__(self) -> Iterator[Cell]:
        return self.table.cells(self.column)


def times(table: Table, column: str) -> np.ndarray:
    """float64 [rows] that sort as the moments do. Raises TableError that names the row."""
    try:
        return moments(Cells(table, column))
    except NoDate as error:
        where = f"{table.source}: row {error.row + 1}: the time column {column!r}"
        raise TableError(f"{where} {error.reason}. {CURE}") from error
