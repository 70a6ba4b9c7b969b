"""Infer label columns: lists, or several labels in one string."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmbm.cells.lists import is_list, items
from mmbm.cells.values import describe, is_labels
from mmbm.errors import BadCell
from mmbm.kinds.guess import MOSTLY, ColumnGuess
from mmbm.kinds.number.written import NEARLY

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

SEPARATORS = (";", "|", ",", "；", "，", "、", "/", "&", "+", "\n", "::", "#")
SURE = (";", "|")
"""Characters that single values don't contain."""
LABELS = 2000
"""More distinct ones are no labels."""
FEW, LONGEST = 500, 40
"""Labels per string, and characters per label: more are text."""


def infer(sample: "Sample") -> ColumnGuess | None:
    return lists(sample) if sample.part(list) >= MOSTLY else separated(sample)


def infer_target(sample: "Sample") -> ColumnGuess | None:
    """Labels as a target, with a note on the meaning of empty cells."""
    found = infer(sample)
    if found is None or found.kind is None:
        return found
    unknown = sum(cell is None or cell != cell for cell in sample.cells)
    none = sum(cell in ("", []) for cell in sample.cells)
    notes, why = found.notes, found.why
    if unknown:
        why += f"; {unknown} empty cells are unknown; empty: none if they mean no label"
        notes += (
            f"{sample.name}: {unknown} of {len(sample.cells)} cells are empty and count as "
            "unknown, so these rows are left out; if they mean that no label applies: empty: none.",
        )
    if none:
        notes += (
            f"{sample.name}: {none} of {len(sample.cells)} cells are an empty text or list and "
            "mean that no label applies; a row whose labels are unknown has null there.",
        )
    return replace(found, why=why, notes=notes)


def lists(sample: "Sample") -> ColumnGuess:
    """Cells that are lists."""
    cells = [cell for cell in sample.present if isinstance(cell, list)]
    longest = max(cells, key=len)
    if not all(is_labels(cell) for cell in cells) or _is_vector(cells):
        why = f"its cells are no single values, the first is {describe(longest)}"
        return ColumnGuess(None, why)
    return labels(cells, {})


def _is_vector(cells: Sequence[list]) -> bool:
    """Vectors: zeros and ones, or many distinct whole numbers in lists of one length."""
    plain = all(isinstance(i, int | float) and not isinstance(i, bool) for c in cells for i in c)
    lengths = {len(cell) for cell in cells}
    if not plain or len(lengths) != 1 or max(lengths) < 3:
        return False
    different = {item for cell in cells for item in cell}
    return different <= {0, 1} or (max(lengths) > 3 and len(different) > 2 * max(lengths))


def separated(sample: "Sample") -> ColumnGuess | None:
    """Labels in one string, if a small vocabulary occurs in many combinations."""
    texts = [cell for cell in sample.present if isinstance(cell, str)]
    if not texts:
        return None
    if sum(is_list(text) for text in texts) >= MOSTLY * len(texts):
        return _written(texts)
    for separator in SEPARATORS:
        several = sum(separator in text for text in texts)
        if several == 0 or several < 0.2 * len(texts):
            continue
        parts = [[p.strip() for p in text.split(separator) if p.strip()] for text in texts]
        names = Counter(p for row in parts for p in row)
        few = len(names) <= min(FEW, 0.3 * names.total())
        short = max(map(len, names), default=0) <= LONGEST
        numbers = separator not in (*SURE, ",") and all(_is_float(name) for name in names)
        if few and short and not numbers and (separator in SURE or _combined(parts)):
            return labels(parts, {} if separator == ";" else {"separator": separator})
    return None


def _combined(parts: list[list[str]]) -> bool:
    """A comma also occurs in "Paris, France" and "Smith, John". Labels occur in several numbers or
    at several places, and in more combinations than there are labels."""
    combinations = {frozenset(row) for row in parts}
    names = {p for row in parts for p in row}
    if len(combinations) <= len(names) and len(names) > 2:
        return False
    if len({len(row) for row in parts}) > 1:
        return True
    places: dict[str, set[int]] = {}
    for row in parts:
        for place, part in enumerate(row):
            places.setdefault(part, set()).add(place)
    return sum(len(p) > 1 for p in places.values()) > 0.5 * len(places)


def _written(texts: list[str]) -> ColumnGuess | None:
    """Lists as Python or JSON write them."""
    rows, wrong = [], 0
    for text in texts:
        try:
            rows.append(items(text))
        except BadCell:
            wrong += 1
    if wrong > (1 - NEARLY) * len(texts):
        if all(text.lstrip()[0] in "[{" and "{" in text for text in texts[:20] if is_list(text)):
            return ColumnGuess(None, f"JSON objects written as text, such as {texts[0][:40]}")
        return None
    if rows and all(_is_float(item) for row in rows for item in row) and _long(rows):
        return ColumnGuess(None, f"lists of {len(rows[0])} numbers written as text (an embedding?)")
    return labels(rows, {"format": "list"})


def _long(rows: list[list[str]]) -> bool:
    names = {item for row in rows for item in row}
    return len(names) > max(2 * max(map(len, rows)), 20) or any("." in name for name in names)


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def labels(rows: Sequence[list[Any]], options: dict[str, Any]) -> ColumnGuess:
    names = Counter(str(label) for row in rows for label in row)
    mean = names.total() / max(1, len(rows))
    if not names:
        return ColumnGuess(None, "lists that are all empty")
    if all(sorted(map(str, row)) == sorted(map(str, rows[0])) for row in rows):
        return ColumnGuess(None, f"the same in every row: {', '.join(map(str, rows[0]))[:40]}")
    if len(names) > LABELS or (len(names) > 50 and len(names) > 0.8 * names.total()):
        return ColumnGuess(None, f"lists of {len(names)} different things, too many for labels")
    return ColumnGuess("labels", f"{len(names)} labels, {mean:.1f} in a row", options)
