"""A value of a kind as a language model is asked for it, and as its reply is read."""

from collections.abc import Sequence

import numpy as np

Value = str | float


class Prompt:
    """How a kind is asked for. Written words, unless a subclass says otherwise."""

    form = "the words alone"
    """What the reply should be."""
    closed = False
    """The answer is one of several that are named."""
    without = True
    """A reply that can't be read is a wrong answer; else there is none, and the row isn't
    counted."""

    def usual(self, target: str) -> str:
        """The question, where the user has none."""
        return f"What is the {target!r} of this?"

    def request(self, classes: Sequence[str]) -> str:
        """What is added to the question."""
        return f"Answer with {self.form}."

    def read(self, said: str, classes: Sequence[str]) -> Value:
        """The answer in a reply. Raises BadCell: there is none."""
        return said.strip()

    def length(self, classes: Sequence[str]) -> int:
        """Tokens of an answer, about."""
        return 30

    def outputs(self, values: Sequence[Value | None], classes: Sequence[str]) -> np.ndarray:
        """As the kind's Answer reads its model's output; None where a reply has no answer."""
        return np.array([value or "" for value in values], object)


def bare(said: str) -> str:
    """Without the spaces, quotes and full stop around it."""
    return said.strip().strip(" \n\"'`*.。")


def tokens(text: str) -> int:
    """Four letters, or a character of another script."""
    plain = sum(map(str.isascii, text))
    return len(text) - plain + -(-plain // 4)
