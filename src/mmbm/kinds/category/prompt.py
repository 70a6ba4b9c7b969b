"""Prompt of a category for a language model."""

import json
from collections.abc import Sequence

import numpy as np

from mmbm.errors import BadCell
from mmbm.kinds.prompt import Prompt, Value, bare, tokens


class CategoryPrompt(Prompt):
    closed = True

    def request(self, classes: Sequence[str]) -> str:
        listed = json.dumps(classes, ensure_ascii=False)
        return f"Answer with one of these and nothing else: {listed}"

    def read(self, said: str, classes: Sequence[str]) -> str:
        """Case is ignored if no two classes differ only in case."""
        word = bare(said)
        exact = {name for name in classes if name in (said.strip(), word)}
        alike = {name for name in classes if name.casefold() == word.casefold()}
        for found in (exact, alike):
            if len(found) == 1:
                return found.pop()
        raise BadCell("is none of the classes")

    def length(self, classes: Sequence[str]) -> int:
        return max(map(tokens, classes), default=30)

    def outputs(self, values: Sequence[Value | None], classes: Sequence[str]) -> np.ndarray:
        """One-hot [N, C + 1]: the last place means no class."""
        places = {name: i for i, name in enumerate(classes)}
        return np.eye(len(places) + 1)[[places.get(v, len(places)) for v in values]]  # type: ignore
