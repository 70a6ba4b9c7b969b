"""Irregular values of a category: words that look like missing, several spellings of one value."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import yaml

from mmbm.cells.spelling import all_truth, truth
from mmbm.kinds.category.column import Spellings, joined_truths
from mmbm.kinds.number.written import MARKS

# Written by programs for a missing value: never a real value.
MACHINE = frozenset(
    {"nan", "null", "nil", "nat", "<na>", "#n/a", "#na", "#null!", "#value!", "#ref!", "#div/0!",
     "\\n", "(null)", "[null]", "<null>", "undefined", "n.a.", "n/a", "?", "??"}
)  # fmt: skip
# May be real values: NA is Namibia, None a choice, - a sign.
DOUBTFUL = frozenset({"na", "none"}) | (MARKS - MACHINE)


class Missing(NamedTuple):
    """Values that look like missing."""

    marks: list[str]  # those that are never real values
    note: str  # names all of them, with the setting; empty if there are none


def missing(name: str, counts: Counter[str], of_numbers: bool = False) -> Missing:
    """The values of a category that look like missing, and the setting for them.

    of_numbers: the other values are numbers, so such a word is never a real value.
    """
    sides = {truth(value) for value in counts} - {None}
    pair = len(sides) == 2  # together with a word for yes, one for no is a real value
    doubtful = [v for v in counts if v.lower() in DOUBTFUL and not (pair and truth(v) is not None)]
    sure = [value for value in counts if value.lower() in MACHINE]
    sure, doubtful = (sure + doubtful, []) if of_numbers else (sure, doubtful)
    if len(counts) - len(sure) < 2:  # fewer than two classes would remain
        sure, doubtful = [], sure + doubtful
    found = sure + doubtful
    if not found or len(found) == len(counts):
        return Missing([], "")
    rows = sum(counts[value] for value in found)
    note = f"{name}: {_list(found)} look{'s' if len(found) == 1 else ''} like missing: {rows} rows"
    if sure:
        note += f", so missing: {_yaml(sure)}; missing: [] keeps "
        note += "it as a value" if len(sure) == 1 else "them as values"
    if doubtful:
        note += f". If {_list(doubtful)} should be absent: missing: {_yaml(found)}"
    return Missing(sure, note)


def spellings(name: str, counts: Counter[str]) -> str:
    """A message that names values that differ in capitals, blanks or width only; may be empty."""
    alike: dict[str, list[str]] = {}
    for value in counts:
        alike.setdefault(_folded(value), []).append(value)
    pairs = [sorted(values, key=lambda v: -counts[v]) for values in alike.values() if values[1:]]
    if not pairs:
        return ""
    shown = "; ".join(
        " and ".join(f"{value} ({counts[value]} rows)" for value in values) for values in pairs[:3]
    )
    more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return f"{name}: {shown}{more} are different values. Write them alike if they mean the same."


def mojibake(name: str, values: Iterable[str]) -> str:
    """A message on texts that were UTF-8, decoded as cp1252, and saved so: cafÃ©. May be empty."""
    pairs = [(v, text) for v in values if (text := _undone(v)) is not None]
    if not pairs:
        return ""
    wrong, right = pairs[0]
    some = "1 value" if len(pairs) == 1 else f"{len(pairs)} different values"
    return (
        f"{name}: {wrong[:40]!r} looks like {right[:40]!r} that was decoded wrongly before it was "
        f"saved ({some}). Make the table anew from its source, read as UTF-8; in Python, "
        "text.encode('cp1252').decode('utf-8') undoes it."
    )


def _undone(text: str) -> str | None:
    if text.isascii():
        return None
    try:
        back = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return None
    return back if len(back) < len(text) else None


class Truths(NamedTuple):
    """Of a category: its values, truth values counted once, however they are written."""

    counts: Counter[str]
    note: str  # empty if each is written in one way


def truths(name: str, counts: Counter[str]) -> Truths:
    """One truth value has one spelling, or a message lists those that have several."""
    seen: dict[str, Spellings] = {v: Counter({("str", v): n}) for v, n in counts.items()}
    several = [value for value in counts if truth(value) is not None]
    sides = Counter(truth(value) for value in several)
    if max(sides.values(), default=0) < 2:
        return Truths(counts, "")
    if all_truth(counts):
        joined = {v: spellings.total() for v, spellings in joined_truths(seen).items()}
        note = (f"{name}: {_list(several)} are truth values in several spellings, and are read as "
                f"{_list([*joined])}.")  # fmt: skip
        return Truths(Counter(joined), note)
    several = [v for v in several if not (len(v) == 1 and v.isascii() and v.isalpha())]  # F of M
    sides = Counter(truth(value) for value in several)
    if len(sides) < 2 or max(sides.values()) < 2:
        return Truths(counts, "")
    others = [value for value in counts if truth(value) is None]
    if len({value.lower() for value in several}) == len(sides) or len(others) > len(several):
        return Truths(counts, "")  # Yes and yes: `spellings` names them; or other words
    note = (f"{name}: {_list(several)} look like truth values in several spellings, but stay "
            f"different values beside {_list(others[:3])}. Write each in one way; or if the others "
            f"mean that there is none: missing: {_yaml(others)}.")  # fmt: skip
    return Truths(counts, note)


def _folded(value: str) -> str:
    """A key that is equal for cat, Cat and "hot dog", hot-dog; numbers and signs stay distinct."""
    if not any(character.isalpha() for character in value):
        return value
    plain = unicodedata.normalize("NFKC", value).casefold()
    return re.sub(r"(?<=\w)[\s_\-.]+(?=\w)", " ", plain).strip(" .")


def _yaml(values: list[str]) -> str:
    """A list as a config has it: NULL in quotes is text."""
    return yaml.safe_dump(values, default_flow_style=True, allow_unicode=True, width=10_000).strip()


def _list(values: Sequence[str]) -> str:
    return ", ".join(values[:-1]) + " and " + values[-1] if len(values) > 1 else values[0]
