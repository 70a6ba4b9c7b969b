"""What is asked of every row, and which answers there are: a row becomes messages."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from mmbm.data.prepare import MEDIA
from mmbm.errors import BadCell, MmbmError
from mmbm.kinds.column import Cell
from mmbm.kinds.number import column as number
from mmbm.llm.parts import Size, part_of, tokens


class Question(NamedTuple):
    """What is asked of every row, and which answers there are."""

    ask: str
    kind: str  # category | number | transcript | text
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, ask: str, classes: str | None) -> "Question":
        """As the command line says it: `cat,dog`, or a number."""
        if classes is None:
            return cls(ask, "number")
        names = tuple(dict.fromkeys(filter(None, map(str.strip, classes.split(",")))))
        if len(names) < 2:
            raise MmbmError(f"--classes {classes!r}: name at least two, with commas between.")
        return cls(ask, "category", names)

    def text(self) -> str:
        if self.kind == "category":
            listed = json.dumps(self.classes, ensure_ascii=False)
            return f"{self.ask}\nAnswer with one of these and nothing else: {listed}"
        form = "one number and nothing else" if self.kind == "number" else "the words alone"
        return f"{self.ask}\nAnswer with {form}."

    def read(self, said: str) -> str | float:
        """The answer. Spaces, quotes and a full stop around it, and its case, don't count. Raises
        BadCell if it is none of those there are."""
        whole = said.strip()
        if self.kind in ("transcript", "text"):
            return whole
        bare = whole.strip(" \n\"'`*.。")
        if self.kind == "number":
            value = number.parse(bare)
            if value is None:
                raise BadCell("is no number")
            return value
        for fits in (lambda c: c in (whole, bare), lambda c: c.casefold() == bare.casefold()):
            if len(found := [c for c in self.classes if fits(c)]) == 1:
                return found[0]
        raise BadCell("is none of the classes")

    def length(self) -> int:
        """Tokens of an answer, about."""
        return max(map(tokens, self.classes), default=5 if self.kind == "number" else 30)


def messages(
    question: Question, row: dict[str, Cell], kinds: dict[str, str], root: Path | None
) -> tuple[list[dict[str, Any]], Size]:
    """A row as a conversation: the question, then a part for each cell that is there, in the order
    of `kinds` (kind by column). Where several columns are written, each says its name.

    Raises BadCell of a medium that can't be read, and of a row in which there is nothing.
    """
    several = sum(kind not in MEDIA for kind in kinds.values()) > 1
    parts, size = [], Size(tokens(question.text()))
    for name, kind in kinds.items():
        try:
            found = part_of(kind, row[name], root, f"{name}: " if several else "")
        except BadCell as bad:
            raise BadCell(f"{name}: {bad.reason}") from bad
        if found:
            parts.append(found[0])
            size = size.plus(found[1])
    if not parts:
        raise BadCell("the row is empty")
    asked = [{"role": "system", "content": question.text()}, {"role": "user", "content": parts}]
    return asked, size
