"""Notation of numbers in text: one notation for a whole column, set in its options.

    "1.234,50 €"  ──  Notation(",", ".", {"€": 1})  ──►  1234.5

Signs, brackets, full-width characters and the digits of other scripts have one reading everywhere;
an ambiguous number (1,234 is 1234 or 1.234) is read by the notation, or is a bad cell.
"""

import re
import unicodedata
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import Any, NamedTuple

from mmbm.errors import BadCell

ABSENT = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>"})
"""In a column of numbers these words, in any case, always mean a missing value."""
LONGEST = 400
"""Characters: the longest float written out has about 310 digits."""

BLANKS = " \u00a0\u2000-\u200a\u202f\u205f\u3000"
"""A character class: every blank that may separate thousands."""
_THOUSANDS = {
    ",": ",",
    ".": ".",
    " ": BLANKS,
    "'": "'’‘ʼ`´",
    "_": "_",
}  # fmt: skip
_SAME: dict[int, str | None] = {
    **{0xFF01 + i: chr(0x21 + i) for i in range(94)},  # full-width forms
    **dict.fromkeys(map(ord, "−‐‑‒–—﹣"), "-"),
    **dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF], None),
    ord("٫"): ".",
    ord("٬"): ",",
}  # fmt: skip
# Unambiguous in the default notation: 1234.5, 1,234.5 and 1,234,567, but not 1,234.
_DEFAULT = re.compile(
    r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|\d{1,3}((,\d{3}){2,}(\.\d*)?|,\d{3}\.\d*)", re.ASCII
)

NO_CENTS = re.compile(r"(?<=\d)[.,]-+$")
"""46.- is 46: the dash stands for zero cents, and is no sign."""
SIGNED_TWICE = re.compile(r"[+-]\s*\(.*\)|\(.*\)\s*[+-]|\(\s*\+.*\)")
"""-(5), (5)- and (+5) are ambiguous."""
USUAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
"""Nearly all numbers, which are unambiguous wherever the decimal mark is a point; tried first."""


class Notation(NamedTuple):
    decimal: str = "."
    thousands: str | None = None
    """A key of `_THOUSANDS`; None: only unambiguous numbers, such as 1,234.5."""
    unit: tuple[tuple[str, float], ...] = ()
    """Texts that may stand before or after a number, and the factor of each."""
    missing: frozenset[str] = frozenset()
    """Cells that mean a missing number, besides `ABSENT`."""

    @classmethod
    def of(cls, spec: Any) -> "Notation":
        """The notation of a number column's options."""
        unit = {spec.unit: 1.0} if isinstance(spec.unit, str) else spec.unit or {}
        longest_first = sorted(unit.items(), key=lambda pair: -len(pair[0]))
        missing = frozenset() if isinstance(spec.missing, bool) else frozenset(spec.missing)
        pairs = tuple((plain(text), factor) for text, factor in longest_first)
        return cls(spec.decimal, spec.thousands, pairs, missing)

    def read(self, text: str) -> float | None:
        """The number of a cell; None if it means a missing value. Raises BadCell."""
        text = text.strip()
        usual = self.decimal == "." and len(text) < LONGEST and USUAL.fullmatch(text)
        if usual and text not in self.missing:
            return float(text)
        if text.lower() in ABSENT or text in self.missing:
            return None
        if len(text) <= LONGEST:
            body, factor = self._peel(plain(text))
            if _body(self.decimal, self.thousands).fullmatch(body):
                return self._value(body, factor)
            if body.lower() in ("inf", "infinity"):
                raise BadCell("is infinite")
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise BadCell(f"is {shown!r}, not a number{self._hint(text)}")

    def _value(self, body: str, factor: float) -> float:
        between = self.thousands or ("," if self.decimal == "." else " ")
        digits = re.sub(f"[{_THOUSANDS[between]}]", "", body)
        if self.decimal == ",":
            digits = digits.replace(",", ".")
        if abs(factor) == 1:
            return factor * float(digits)
        try:
            return float(Decimal(digits) * Decimal(repr(factor)))
        except (DecimalException, OverflowError) as error:
            raise BadCell("is too large a number") from error

    def _peel(self, text: str) -> tuple[str, float]:
        """The text without sign, brackets and units, each removed once; and their factor."""
        factor, signed, before, behind = 1.0, False, False, False
        while text:
            if not signed and text[0] == "(" and text[-1] == ")":
                # (5) is -5, and so is (-5), in accounts and in arithmetic
                text, factor, signed = text[1:-1].strip().removeprefix("-"), -factor, True
            elif not signed and text[0] in "+-":
                factor, text, signed = -factor if text[0] == "-" else factor, text[1:], True
            elif NO_CENTS.search(text):
                text = NO_CENTS.sub("", text)
            elif not signed and text[-1] == "-":  # the notation of accountants and SAP
                text, factor, signed = text[:-1], -factor, True
            elif not before and (found := self._unit(text, str.startswith)):
                text, factor, before = text[len(found[0]) :], factor * found[1], True
            elif not behind and (found := self._unit(text, str.endswith)):
                text, factor, behind = text[: -len(found[0])], factor * found[1], True
            else:
                break
            text = text.strip()
        return text, factor

    def _unit(self, text: str, there: Any) -> tuple[str, float] | None:
        exact = next((pair for pair in self.unit if there(text, pair[0])), None)
        lower = text.lower()
        alike = (pair for pair in self.unit if there(lower, pair[0].lower()))
        return exact or (next(alike, None) if len(lower) == len(text) else None)

    def _hint(self, text: str) -> str:
        if SIGNED_TWICE.fullmatch(plain(text)):
            return ": brackets mean that it is negative, and a sign stands beside; write -5 or (5)"
        if self == Notation():
            comma = "," in text and any(character.isdigit() for character in text)
            return " (say how it is written: decimal, thousands)" if comma else ""
        parts = [f"decimal {self.decimal!r}"]
        parts += [f"thousands {self.thousands!r}"] if self.thousands else []
        parts += [f"unit {' or '.join(text for text, _ in self.unit)}"] if self.unit else []
        return f" written with {', '.join(parts)}"


@lru_cache(maxsize=64)
def _body(decimal: str, thousands: str | None) -> re.Pattern[str]:
    """Digits without sign and unit. The last group of thousands has three digits; those before it
    have two in India; 0,125 is no group."""
    if thousands is None and decimal == ".":
        return _DEFAULT
    point = re.escape(decimal)
    whole = r"\d+"
    if thousands is not None:
        mark = f"[{_THOUSANDS[thousands]}]"
        whole = rf"(\d+|[1-9]\d{{0,2}}({mark}\d{{2,3}})*{mark}\d{{3}})"
    return re.compile(rf"({whole}({point}\d*)?|{point}\d+)([eE][+-]?\d+)?", re.ASCII)


def plain(text: str) -> str:
    """The same text with ASCII digits, signs and brackets, and without quotes and invisible
    marks."""
    text = text if text.isascii() else text.translate(_SAME)
    text = text.strip()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    text = text[1:] if text[:1] == "'" else text  # Excel's mark of a text
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text
    )
