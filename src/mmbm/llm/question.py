"""Prompts: the question for every row and the allowed answers; a row becomes messages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmbm import registry
from mmbm.errors import BadCell, MmbmError
from mmbm.kinds.column import Cell
from mmbm.kinds.prompt import Prompt, Value, tokens
from mmbm.llm.parts import Size, part_of


class Question(NamedTuple):
    """The question for every row, and the allowed answers."""

    ask: str
    kind: str  # one that has a prompt
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, ask: str, classes: str | None) -> "Question":
        """In the form of the command line: `cat,dog`, or a number."""
        if classes is None:
            return cls(ask, "number")
        names = tuple(dict.fromkeys(filter(None, map(str.strip, classes.split(",")))))
        if len(names) < 2:
            raise MmbmError(f"--classes {classes!r}: name at least two, with commas between.")
        return cls(ask, "category", names)

    @property
    def prompt(self) -> Prompt:
        """The prompt of its kind. Raises MmbmError if there is none."""
        return prompt(self.kind)

    def text(self) -> str:
        return f"{self.ask}\n{self.prompt.request(self.classes)}"

    def read(self, said: str) -> Value:
        """The answer. Spaces, quotes and a full stop around it, and its case, don't count. Raises
        BadCell if it isn't an allowed answer."""
        return self.prompt.read(said, self.classes)

    def length(self) -> int:
        """Approximate number of tokens of an answer."""
        return self.prompt.length(self.classes)

    def outputs(self, values: Sequence[Value | None]) -> np.ndarray:
        """In the form of the kind's Answer's output."""
        return self.prompt.outputs(values, self.classes)


def prompt(kind: str) -> Prompt:
    """Raises MmbmError: this kind has no prompt."""
    if not registry.kind(kind).prompt:
        raise MmbmError(
            f"A language model can't be asked for a {kind}: it is asked for a {', '.join(asked())}."
        )
    return registry.kind(kind).part("prompt")()


def asked() -> list[str]:
    """Kinds with a prompt."""
    return sorted(name for name, kind in registry.kinds().items() if kind.prompt)


def messages(
    question: Question, row: dict[str, Cell], kinds: dict[str, str], root: Path | None
) -> tuple[list[dict[str, Any]], Size]:
    """A row as a conversation: the question, then a part for each cell that is there, in the order
    of `kinds` (kind by column). Of several text columns, each is preceded by its name.

    Raises BadCell for an unreadable medium, and for an empty row.
    """
    several = sum(not registry.kind(kind).media for kind in kinds.values()) > 1
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
