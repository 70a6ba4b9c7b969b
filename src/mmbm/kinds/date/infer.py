"""Infer date columns by how their cells are written."""

from typing import TYPE_CHECKING

from mmbm.cells.dates import is_date
from mmbm.cells.moments import Parts, read
from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.category.column import marks
from mmbm.kinds.date.column import LONGEST, NOTHING, Order
from mmbm.kinds.guess import ColumnGuess, Options, show
from mmbm.kinds.number.written import MARKS

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

NEARLY = 0.95
"""Fraction of the cells that must be dates."""
FIRST = 200
"""Cells that are checked first."""


def infer(sample: "Sample") -> ColumnGuess | None:
    if sample.is_number or sample.distinct < 2:
        return None
    texts = [cell.strip() for cell in sample.present if isinstance(cell, str)]
    if len(texts) < NEARLY * len(sample.present):
        return None
    texts = [text for text in texts if text.lower() not in NOTHING]
    some = [text for text in texts if text.lower() not in MARKS][:FIRST]
    if not some or sum(_is_date(text) for text in some) < NEARLY * len(some):
        return None
    return _dates(sample.name, texts)


def _dates(name: str, texts: list[str]) -> ColumnGuess:
    """The readable cells, their order of day and month, and the cells that mean a missing value."""
    order, wrong = Order(), []
    for text in texts:
        try:
            found = read(text) if len(text) <= LONGEST else None
        except BadCell:
            found = None
        if isinstance(found, Parts):
            order.add(found)
        if found is None:
            wrong.append(text)
    if len(wrong) > (1 - NEARLY) * len(texts) and not any(w.lower() in MARKS for w in wrong):
        return ColumnGuess(None, f"dates that aren't read, such as {show(wrong[0])}; say how they "
                           "are written: {kind: date, format: …}")  # fmt: skip
    options: Options = {}
    try:
        if (day_first := order.day_first()) is not None:
            options["day_first"] = day_first
    except ConfigError as error:
        why = str(error).rstrip(".")
        return ColumnGuess(None, f"dates: {why}; to use them: {{kind: date, day_first: true}}")
    absent = [text for text in dict.fromkeys(wrong) if text.lower() in MARKS]
    if absent:
        options["missing"] = absent
    notes = ()
    if bad := [text for text in wrong if text not in marks(absent)]:
        notes = (f"{name}: {len(bad)} of {len(texts)} cells are no dates and count as bad cells, "
                 f"such as {show(bad[0])}.",)  # fmt: skip
    why = f"dates, such as {show(texts[0])}; split: {{time: …}} would test on the latest rows"
    return ColumnGuess("date", why, options, notes=notes)


def _is_date(text: str) -> bool:
    return len(text) <= LONGEST and is_date(text)
