"""Parse a list in the text notation of Python, JSON, numpy or PostgreSQL -> its items.

    "['a', 'b']"   '["a","b"]'   "['a' 'b']"   "{a,b}"   "[a, b]"   ──►   ["a", "b"]

It is read by a small grammar of its own: nothing is evaluated.
"""

import json
import re

from mmbm.errors import BadCell

LONGEST = 1_000_000
"""Characters of a cell."""
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.DOTALL)
_BARE = re.compile(r"[^,\[\](){}]+")
_ESCAPE = re.compile(r"\\(U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}
_WRAPPED = re.compile(r"(?:array|set|frozenset|tuple|list)\((.*)\)", re.DOTALL)
_NOTHING = {"None", "null", "NULL", "nan", "NaN"}


def items(text: str) -> list[str]:
    """The items of a list, as text; those that are None or null are left out. Raises BadCell."""
    inside = text.strip()
    if len(inside) > LONGEST:
        raise BadCell(f"has {len(inside)} characters, more than a list of labels may have")
    if wrapped := _WRAPPED.fullmatch(inside):
        inside = wrapped[1].strip()
    if not is_list(inside):
        raise BadCell(f"is {text[:40]!r}, not a list such as ['a', 'b'] (format: list)")
    found: list[str] = []
    place, end, free = 1, len(inside) - 1, True  # free: an item may begin here
    while place < end:
        character = inside[place]
        if character.isspace():
            place += 1
        elif character == ",":
            place, free = place + 1, True
        elif character in "\"'" and (quoted := _QUOTED.match(inside, place, end)):
            found.append(_unescape(quoted[0]))
            place, free = quoted.end(), False
        elif free and (bare := _BARE.match(inside, place, end)):
            if bare[0].strip() not in _NOTHING:
                found.append(bare[0].strip())
            place, free = bare.end(), False
        else:
            raise BadCell(f"is {text[:40]!r}, a list of more than labels")
    return found


def is_list(text: str) -> bool:
    """Text in brackets."""
    text = text.strip()
    return len(text) >= 2 and _BRACKETS.get(text[0]) == text[-1]


def _unescape(quoted: str) -> str:
    if quoted[0] == '"':
        try:
            return str(json.loads(quoted))
        except ValueError:
            pass  # Python's \x41 and \' aren't JSON's
    return _ESCAPE.sub(_escaped, quoted[1:-1])


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        point = int(code[1:], 16)
        return chr(point) if point < 0x110000 else "\ufffd"
    return _LETTERS.get(code, code)
