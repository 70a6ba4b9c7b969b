"""An inferred config, with reasons."""

from dataclasses import dataclass, field, replace
from typing import Any

from mmbm.data.table import Table
from mmbm.init.pretrained import Weights
from mmbm.kinds.guess import ColumnGuess


@dataclass
class Inferred:
    """An inferred config, with reasons. Columns in the table's order."""

    table: Table
    split: str | None
    inputs: dict[str, ColumnGuess]
    targets: dict[str, ColumnGuess]
    left_out: dict[str, ColumnGuess]
    suggestions: list[str] = field(default_factory=list)
    """Of how to split, for the user to decide."""
    warnings: list[str] = field(default_factory=list)
    """Messages on columns that leak the target, and all decisions made for the user."""
    train: dict[str, Any] = field(default_factory=dict)
    group: str | None = None
    """A column whose values the table's split keeps apart."""
    few: bool = False
    """Rows are so few that simpler parts do better."""
    weights: dict[str, Weights] = field(default_factory=dict)
    """By input, the published weights of its encoder."""

    def heard(self) -> set[str]:
        """Inputs that targets read one of, as a transcript reads an audio input."""
        return {guess.options["input"] for guess in self.targets.values() if guess.hear}

    def leave_out(self, name: str, why: str, group: bool = False) -> None:
        """Its kind is kept, to say how to put it back."""
        self.left_out[name] = replace(self.inputs.pop(name), why=why, group=group)
