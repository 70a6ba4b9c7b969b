"""Prompt of a number for a language model."""

from collections.abc import Sequence

import numpy as np

from mmbm.errors import BadCell
from mmbm.kinds.number.column import parse
from mmbm.kinds.prompt import Prompt, Value, bare


class NumberPrompt(Prompt):
    form = "one number and nothing else"
    without = False

    def read(self, said: str, classes: Sequence[str]) -> float:
        value = parse(bare(said))
        if value is None:
            raise BadCell("is no number")
        return value

    def length(self, classes: Sequence[str]) -> int:
        return 5

    def outputs(self, values: Sequence[Value | None], classes: Sequence[str]) -> np.ndarray:
        return np.array([np.nan if v is None else v for v in values], float)[:, None]
