"""Filter conditions on an index's columns: a small language that is parsed and translated to SQL.

    year > 2015 and shop in ('Oslo', 'Rome') and not (name like '%old%' or price is null)

A condition may be untrusted. It is parsed by this grammar and none of its text is passed on: only
columns that the index shows, comparisons and values of the column's own type.

    any        = all ("or" all)*
    all        = one ("and" one)*
    one        = "not" one | "(" any ")" | test
    test       = NAME COMPARE VALUE | NAME ["not"] "in" "(" VALUE ("," VALUE)* ")"
               | NAME ["not"] "like" TEXT | NAME ["not"] "between" VALUE "and" VALUE
               | NAME "is" ["not"] "null" | NAME          (of truth values)
    COMPARE    = "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">="
    VALUE      = 12.5 | 'text' | true | false
    NAME       = shop | `shop name` | "shop name"
"""

import difflib
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from mmbm.errors import MmbmError

LONGEST = 1000
"""Characters of a condition."""
DEEPEST = 20
"""Parentheses and nots inside one another."""
MOST_VALUES = 100
"""Of one `in`."""
COMPARE = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<text>'(?:[^']|'')*')"
    r'|`(?P<name>[^`]+)`|"(?P<other>[^"]+)"'
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<sign>==|!=|<>|<=|>=|[=<>(),]))"
)


class Token(NamedTuple):
    type: str  # number, text, name, word, sign or end
    text: str
    place: int


def to_sql(where: str, fields: Mapping[str, pa.DataType]) -> str:
    """The condition as SQL over `fields`. Raises MmbmError with the position of an error."""
    if len(where) > LONGEST:
        raise MmbmError(f"where has {len(where)} characters, more than {LONGEST}.")
    parser = _Parser(where, fields)
    sql = parser.any(0)
    parser.expect("end", "")
    return sql


class _Parser:
    def __init__(self, where: str, fields: Mapping[str, pa.DataType]):
        self.where, self.fields = where, fields
        self.tokens = list(self._tokens())
        self.next = 0

    def any(self, depth: int) -> str:
        parts = [self.all(depth)]
        while self.word("or"):
            parts.append(self.all(depth))
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def all(self, depth: int) -> str:
        parts = [self.one(depth)]
        while self.word("and"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def one(self, depth: int) -> str:
        if depth > DEEPEST:
            raise self.wrong(f"more than {DEEPEST} parentheses and nots inside one another")
        if self.word("not"):
            return f"(NOT {self.one(depth + 1)})"
        if self.sign("("):
            inside = self.any(depth + 1)
            self.expect("sign", ")")
            return inside
        return self.test()

    def test(self) -> str:
        name, kind = self.column()
        column = "`" + name + "`"
        token = self.tokens[self.next]
        if token.type == "sign" and token.text in COMPARE:
            self.next += 1
            return f"({column} {COMPARE[token.text]} {self.value(name, kind)})"
        if self.word("is"):
            no = "NOT " if self.word("not") else ""
            self.expect("word", "null")
            return f"({column} IS {no}NULL)"
        no = "NOT " if self.word("not") else ""
        if self.word("in"):
            self.expect("sign", "(")
            values = [self.value(name, kind)]
            while self.sign(","):
                values.append(self.value(name, kind))
                if len(values) > MOST_VALUES:
                    raise self.wrong(f"more than {MOST_VALUES} values")
            self.expect("sign", ")")
            return f"({column} {no}IN ({', '.join(values)}))"
        if self.word("like"):
            if not pa.types.is_string(kind):
                raise self.wrong(f"{name} is no text, so it can't be like one")
            return f"({column} {no}LIKE {self.value(name, kind)})"
        if self.word("between"):
            low = self.value(name, kind)
            self.expect("word", "and")
            return f"({column} {no}BETWEEN {low} AND {self.value(name, kind)})"
        if pa.types.is_boolean(kind) and not no:
            return column
        raise self.wrong(f"after {name}, a comparison is expected")

    def column(self) -> tuple[str, pa.DataType]:
        token = self.tokens[self.next]
        if token.type not in ("name", "word"):
            raise self.wrong("a column is expected")
        self.next += 1
        folded = {field.lower(): field for field in self.fields}
        name = token.text if token.text in self.fields else folded.get(token.text.lower())
        if name is None:
            near = difflib.get_close_matches(token.text, self.fields, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            shown = ", ".join(self.fields)
            raise MmbmError(
                f"where: there is no column {token.text[:60]!r}.{hint} There are: {shown}."
            )
        if "`" in name:
            raise MmbmError(f"where: a column whose name has a backtick can't be asked for: {name}")
        return name, self.fields[name]

    def value(self, name: str, kind: pa.DataType) -> str:
        token = self.tokens[self.next]
        self.next += 1
        word = token.text.lower()
        if pa.types.is_boolean(kind) and token.type == "word" and word in ("true", "false"):
            return word.upper()
        if pa.types.is_string(kind) and token.type == "text":
            return token.text
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if number and token.type == "number" and math.isfinite(float(token.text)):
            whole = re.fullmatch(r"[+-]?\d{1,18}", token.text)
            return str(int(token.text)) if whole else repr(float(token.text))
        self.next -= 1
        wanted = "true or false" if pa.types.is_boolean(kind) else (
            "a number" if number else "a text in 'quotes'"
        )  # fmt: skip
        raise self.wrong(f"{name} is compared with {wanted}")

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────

    def _tokens(self):
        place = 0
        text = self.where.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if not found:
                rest = text[place:].strip()
                raise MmbmError(f"where: {rest[:40]!r} is not understood. {GRAMMAR}")
            kind = found.lastgroup or ""
            yield Token("name" if kind == "other" else kind, found[kind], found.start(kind))
            place = found.end()
        yield Token("end", "", len(text))

    def word(self, text: str) -> bool:
        token = self.tokens[self.next]
        here = token.type == "word" and token.text.lower() == text
        self.next += here
        return here

    def sign(self, text: str) -> bool:
        token = self.tokens[self.next]
        here = token.type == "sign" and token.text == text
        self.next += here
        return here

    def expect(self, kind: str, text: str) -> None:
        token = self.tokens[self.next]
        if token.type != kind or (text and token.text.lower() != text):
            raise self.wrong(f"{text!r} is expected" if text else "the end is expected")
        self.next += 1

    def wrong(self, why: str) -> MmbmError:
        token = self.tokens[self.next]
        at = f"at {self.where[token.place :][:40]!r}" if token.type != "end" else "at the end"
        return MmbmError(f"where: {why} ({at}). {GRAMMAR}")


GRAMMAR = (
    "Write comparisons such as: year > 2015 and shop in ('Oslo', 'Rome') and not note is null; a "
    "name with spaces stands in `backticks`, a text in 'quotes'."
)
