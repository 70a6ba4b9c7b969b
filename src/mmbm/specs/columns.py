"""What specs of inputs and of targets share."""

from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import PositiveInt, model_validator

from mmbm import registry
from mmbm.registry import Kind
from mmbm.specs.base import Positive, Spec


class Counted(NamedTuple):
    """Of a target whose column counts its values."""

    what: str
    where: str
    first: int = 0
    """The values before this one stand for nothing that was seen."""


class Unit(NamedTuple):
    std: float = 1.0
    log: bool = False
    generated: bool = False
    """Of texts: 1 if a token is another one, else the difference of its probabilities."""


class ColumnSpec(Spec):
    """Of a column, as input or as target."""

    kind: str
    tabular: ClassVar[bool] = True
    """Cheap to read; as inputs, columns of one `group` form one modality."""

    not_decoding: ClassVar[frozenset[str]] = frozenset()
    """Options that don't change what cells decode to, besides those that its parents name. A change
    of any other option decodes the column anew."""

    def decoding(self) -> dict[str, Any]:
        """The options that change what a cell decodes to, as JSON has them."""
        parents = type(self).__mro__
        others = frozenset().union(*(vars(one).get("not_decoding", ()) for one in parents))
        return {k: v for k, v in self.model_dump(mode="json").items() if k not in others}

    @property
    def traits(self) -> Kind:
        """What the product knows of its kind."""
        return registry.kind(self.kind)

    @property
    def is_media(self) -> bool:
        """Its cells are files, or paths or bytes of files."""
        return bool(self.traits.media)

    def holds(self, cell: Any) -> bool:
        """Of media: the cell itself is what is decoded, neither bytes nor where they are."""
        return False

    def kept(self, cell: Any) -> Any:
        """Of media: the cell as a bundle's golden rows have it, bytes, a path of them, or what
        `holds` says yes to."""
        return cell

    def whole(self) -> Self:
        """As a bundle reads cells: what training reads by windows comes whole."""
        return self


class InputSpec(ColumnSpec):
    """Of a table column; columns of one `group` form one modality."""

    not_decoding: ClassVar = frozenset({"group"})
    encoding: ClassVar[Literal["standardized", "one_hot", "as_is", "dense"]] = "as_is"
    """What linear models and trees read of it: the number, an indicator for each value, or the
    decoded vector. dense: that has many places, none of which tells much alone; trees read its
    principal components."""
    drift: ClassVar[Literal["numbers", "distance", "values", "none"]] = "none"
    """How its cells are compared with those of training: by deciles, of vectors by deciles of how
    far they are from the mean one, by the most frequent values that its column counts, or not at
    all."""
    group: str = "table"
    """Table columns (number, category, labels, date) of one group form one modality."""

    def measured(self, values: np.ndarray) -> np.ndarray:
        """Of decoded cells [B, ...] the numbers [B] whose deciles `drift: numbers` compares."""
        return values


class MediaSpec(ColumnSpec):
    """Of a column that is a modality of its own."""

    tabular: ClassVar[bool] = False
    not_decoding: ClassVar = frozenset({"encoder", "augment", "share_weights_with"})
    has_seconds: ClassVar[bool] = False
    """Its cells last some time."""
    augments: ClassVar[bool] = False
    """Its decoded cells are changed at random while training."""
    alike: ClassVar[Literal["decoded", "text"]] = "decoded"
    """Two cells are the same if they decode to the same; or if their texts are the same, since
    decoding joins what wasn't learned."""
    share_weights_with: str | None = None
    """Share all weights with this input (of the same kind and options)."""
    max_bytes: PositiveInt = 100_000_000
    """A larger cell is refused."""

    @model_validator(mode="after")
    def _fills_sounds(self):
        encoder = getattr(self, "encoder", None)
        if getattr(encoder, "pad_to_seconds", None) and not self.has_seconds:
            raise ValueError(
                "encoder.pad_to_seconds: only sounds are filled with silence; leave it out"
            )
        return self


class TargetSpec(ColumnSpec):
    weight: Positive = 1.0
    """This target's part of the training loss."""
    fuses: ClassVar[bool] = True
    """Answers from all modalities together."""
    has_cells: ClassVar[bool] = True
    """Is a column of the table itself."""
    not_decoding: ClassVar = frozenset({"weight"})
    windowed: ClassVar[bool] = False
    """Has a part in each window of a long recording, so that those of all can be joined."""
    counted: ClassVar[Counted | None] = None
    """What its column's `counts` count."""
    transcribes: ClassVar[bool] = False
    """Is what is said in an audio input, `input`, place by place."""
    shown_as: ClassVar[str] = "Label"
    """The component of Gradio that shows its answer."""
    decides: ClassVar[bool] = True
    """Its answer is a choice, which an export gives alike or otherwise, and no quantity."""
    task: ClassVar[str] = ""
    """multiclass, regression or multilabel: what an ensemble of members learns. Empty where the
    network alone answers."""

    @property
    def reads(self) -> set[str]:
        """The inputs that it can't do without."""
        return set()

    def lacks(self, state: dict[str, Any]) -> str:
        """What the train split has none of, so that nothing can be learned; empty if it can."""
        return ""

    def about_empty(self) -> str:
        """How to say that an empty cell means something, where it may; else empty."""
        return ""

    def output_unit(self, state: dict[str, Any]) -> Unit:
        """What a difference of two of its outputs is measured in."""
        return Unit()
