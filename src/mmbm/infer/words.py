"""What is odd about the values of a category: words that look like missing, spellings of one."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import yaml

from mmbm.infer.numbers import MARKS

# Written by programs where there is nothing: nobody means them.
MACHINE = frozenset(
    {"nan", "null", "nil", "nat", "<na>", "#n/a", "#na", "#null!", "#value!", "#ref!", "#div/0!",
     "\\n", "(null)", "[null]", "<null>", "undefined", "n.a.", "n/a", "?", "??"}
)  # fmt: skip
# May be meant: NA is Namibia, None a choice, - a sign.
DOUBTFUL = frozenset({"na", "none"}) | (MARKS - MACHINE)


class Missing(NamedTuple):
    """Values that look like missing."""

    marks: list[str]  # those that nobody means
    note: str  # names all of them, with the setting; empty if there are none


def missing(name: str, counts: Counter[str], of_numbers: bool = False) -> Missing:
    """The values of a category that look like missing, and what to set.

    of_numbers: the others are numbers, beside which no such word is meant.
    """
    doubtful = [value for value in counts if value.lower() in DOUBTFUL]
    sure = [value for value in counts if value.lower() in MACHINE]
    sure, doubtful = (sure + doubtful, []) if of_numbers else (sure, doubtful)
    if len(counts) - len(sure) < 2:  # nothing would be left to tell apart
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
    """A sentence that names values that differ in capitals, blanks or width only; may be empty."""
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


def _folded(value: str) -> str:
    """The same for cat, Cat and "hot dog", hot-dog; numbers and signs stay apart."""
    if not any(character.isalpha() for character in value):
        return value
    plain = unicodedata.normalize("NFKC", value).casefold()
    return re.sub(r"(?<=\w)[\s_\-.]+(?=\w)", " ", plain).strip(" .")


def _yaml(values: list[str]) -> str:
    """A list as a config has it: NULL in quotes is text."""
    return yaml.safe_dump(values, default_flow_style=True, allow_unicode=True, width=10_000).strip()


def _list(values: Sequence[str]) -> str:
    return ", ".join(values[:-1]) + " and " + values[-1] if len(values) > 1 else values[0]
