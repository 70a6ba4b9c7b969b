"""What a column is taken for, by the cells of a sample."""

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
"""Part of the cells that must look like a path, a list, … for the column to be taken for one."""
Options = dict[str, Any]


@dataclass(frozen=True)
class ColumnGuess:
    """What a column is taken for. The comment in the config is `why`."""

    kind: str | None  # None: no kind suits it
    why: str
    options: Options = field(default_factory=dict)
    group: bool = False  # names who or what was recorded: rows of one value belong in one split
    notes: tuple[str, ...] = ()  # what was decided for the user, to be printed
    may_share: bool = False
    """From few rows, one encoder is shared with other inputs that have the same options."""
    extent: tuple[int, int] | None = None
    """Width and height. About equally large, inputs share an encoder whatever their `size` is."""
    seconds: Mapping[int, float] = field(default_factory=dict)
    """How long cells last, by place in the sample: a column of lengths tells nothing new."""
    few_rows: Callable[[Options, int, bool], Options] | None = None
    """Options where train rows are so few (`options, rows, long`); long: the training is one of
    speech, of texts or of a match, which needs a larger encoder."""
    frozen: Callable[[ColumnGuess, Sample], Options | None] | None = None
    """Options for a frozen encoder with published weights; None: it doesn't suit these cells."""
    by_token: bool = False
    """Of a target that is written token by token: the fusion keeps what each token may look at."""
    hear: Callable[[ColumnGuess], ColumnGuess | None] | None = None
    """Of a target that reads one input, named by its option `input`: that input as it has to be;
    None: it isn't one that can be read."""

    @property
    def traits(self) -> Kind:
        """What the product knows of its kind."""
        return registry.kind(self.kind) if self.kind else Kind()

    @property
    def is_media(self) -> bool:
        """Its cells are files, or paths or bytes of files."""
        return bool(self.traits.media)

    @property
    def is_text(self) -> bool:
        """Its cells are neither files nor values of a table: they are read word by word."""
        return bool(self.traits.input) and not self.is_media and not self._spec("input").tabular

    @property
    def task(self) -> str:
        """What its values are to a target, see `TargetSpec.task`; empty: none that a table has."""
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
