"""Prompt of a kind for a language model, and parser of its reply."""

from collections.abc import Sequence

import numpy as np

Value = str | float


class Prompt:
    """Prompt of a kind. The answer is text unless a subclass overrides it."""

    form = "the words alone"
    """The expected reply."""
    closed = False
    """The answer is one of several that are named."""
    without = True
    """An unreadable reply counts as a wrong answer; else as no answer, and the row isn't
    counted."""

    def usual(self, target: str) -> str:
        """The default question."""
        return f"What is the {target!r} of this?"

    def request(self, classes: Sequence[str]) -> str:
        """Instruction after the question."""
        return f"Answer with {self.form}."

    def read(self, said: str, classes: Sequence[str]) -> Value:
        """The answer in a reply. Raises BadCell if there is none."""
        return said.strip()

    def length(self, classes: Sequence[str]) -> int:
        """Approximate number of tokens of an answer."""
        return 30

    def outputs(self, values: Sequence[Value | None], classes: Sequence[str]) -> np.ndarray:
        """In the form of the kind's Answer's output; None where a reply has no answer."""
        return np.array([value or "" for value in values], object)


def bare(said: str) -> str:
    """Text without surrounding spaces, quotes and full stop."""
    return said.strip().strip(" \n\"'`*.。")


def tokens(text: str) -> int:
    """Four letters, or a character of another script."""
    plain = sum(map(str.isascii, text))
    return len(text) - plain + -(-plain // 4)
