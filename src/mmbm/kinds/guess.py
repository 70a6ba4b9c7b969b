"""The inferred kind of a column, from a sample of its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mmbm import registry
from mmbm.registry import Kind
from mmbm.specs.columns import TargetSpec

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

MOSTLY = 0.8
"""Fraction of the cells that must look like a path, a list, … for the column to have that kind."""
Options = dict[str, Any]


@dataclass(frozen=True)
class ColumnGuess:
    """Inferred kind and options of a column. `why` is the comment in the config."""

    kind: str | None  # None: no kind suits it
    why: str
    options: Options = field(default_factory=dict)
    group: bool = False  # identifies what was recorded: rows of one value belong in one split
    notes: tuple[str, ...] = ()  # decisions made for the user, to be printed
    may_share: bool = False
    """With few rows, inputs with the same options share one encoder."""
    extent: tuple[int, int] | None = None
    """Width and height. Inputs of about equal size share an encoder whatever their `size` is."""
    seconds: Mapping[int, float] = field(default_factory=dict)
    """Durations of the cells, by place in the sample: a column of lengths is then redundant."""
    few_rows: Callable[[Options, int, bool], Options] | None = None
    """Options for few train rows (`options, rows, long`); long: the task is speech recognition,
    text generation or contrastive, which needs a larger encoder."""
    frozen: Callable[[ColumnGuess, Sample], Options | None] | None = None
    """Options for a frozen encoder with published weights; None: it doesn't suit these cells."""
    by_token: bool = False
    """Of a target that is generated token by token: the fusion keeps tokens for attention."""
    hear: Callable[[ColumnGuess], ColumnGuess | None] | None = None
    """Of a target that reads one input, named by its option `input`: that input with the
    required options; None: it can't be read."""

    @property
    def traits(self) -> Kind:
        """The registry entry of its kind."""
        return registry.kind(self.kind) if self.kind else Kind()

    @property
    def is_media(self) -> bool:
        """Its cells are files, or paths or bytes of files."""
        return bool(self.traits.media)

    @property
    def is_text(self) -> bool:
        """Its cells are neither files nor table values: they are read word by word."""
        return bool(self.traits.input) and not self.is_media and not self._spec("input").tabular

    @property
    def task(self) -> str:
        """Task type of its values as a target, see `TargetSpec.task`; empty: none."""
        return self.target_spec.task if self.traits.target else ""

    @property
    def target_spec(self) -> type[TargetSpec]:
        return self._spec("target")

    def _spec(self, part: str) -> Any:
        return self.traits.part(part)


def show(value: str) -> str:
    """The beginning of a value, on one line."""
    value = " ".join(value.split())
    return value if len(value) <= 24 else value[:23] + "…"
