"""Base classes of the specs of inputs and of targets."""

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
    """Values before this index stand for no seen value."""


class Unit(NamedTuple):
    std: float = 1.0
    log: bool = False
    generated: bool = False
    """For texts: 1 if a token differs, else the difference of its probabilities."""


class ColumnSpec(Spec):
    """Of a column, as input or as target."""

    kind: str
    tabular: ClassVar[bool] = True
    """Cheap to read; input columns of one `group` form one modality."""

    not_decoding: ClassVar[frozenset[str]] = frozenset()
    """Options that don't change the decoded cells, in addition to those that its parents name. A
    change of any other option decodes the column again."""

    def decoding(self) -> dict[str, Any]:
        """The options that change a decoded cell, as JSON values."""
        parents = type(self).__mro__
        others = frozenset().union(*(vars(one).get("not_decoding", ()) for one in parents))
        return {k: v for k, v in self.model_dump(mode="json").items() if k not in others}

    @property
    def traits(self) -> Kind:
        """The registry entry of its kind."""
        return registry.kind(self.kind)

    @property
    def is_media(self) -> bool:
        """Its cells are files, or paths or bytes of files."""
        return bool(self.traits.media)

    def holds(self, cell: Any) -> bool:
        """For media: the cell itself is decoded, neither bytes nor a path."""
        return False

    def kept(self, cell: Any) -> Any:
        """For media: the cell as stored in a bundle's golden rows: bytes, a path, or a value that
        `holds` accepts."""
        return cell

    def whole(self) -> Self:
        """As a bundle reads cells: unlike training, without cropping to windows."""
        return self


class InputSpec(ColumnSpec):
    """A table column; columns of one `group` form one modality."""

    not_decoding: ClassVar = frozenset({"group"})
    encoding: ClassVar[Literal["standardized", "one_hot", "as_is", "dense"]] = "as_is"
    """Features for linear models and trees: the number, an indicator for each value, or the decoded
    vector. dense: a vector of many dimensions, each weak alone; trees read its principal
    components."""
    drift: ClassVar[Literal["numbers", "distance", "values", "none"]] = "none"
    """Drift statistic that compares its cells with those of training: deciles, for vectors
    deciles of the distance from the mean vector, the most frequent values that its column
    counts, or none."""
    group: str = "table"
    """Table columns (number, category, labels, date) of one group form one modality."""

    def measured(self, values: np.ndarray) -> np.ndarray:
        """Decoded cells [B, ...] -> the numbers [B] whose deciles `drift: numbers` compares."""
        return values


class MediaSpec(ColumnSpec):
    """A column that is a modality of its own."""

    tabular: ClassVar[bool] = False
    not_decoding: ClassVar = frozenset({"encoder", "augment", "share_weights_with"})
    has_seconds: ClassVar[bool] = False
    """Its cells have a duration."""
    augments: ClassVar[bool] = False
    """Its decoded cells are augmented at random in training."""
    alike: ClassVar[Literal["decoded", "text"]] = "decoded"
    """Two cells are equal if they decode to the same value; or if their texts are equal, since
    decoding merges values that were not learned."""
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
    """Weight of this target in the training loss."""
    fuses: ClassVar[bool] = True
    """Predicted from all modalities together."""
    has_cells: ClassVar[bool] = True
    """Is a column of the table itself."""
    not_decoding: ClassVar = frozenset({"weight"})
    windowed: ClassVar[bool] = False
    """Is answered for each window of a long recording, so that the answers can be joined."""
    counted: ClassVar[Counted | None] = None
    """The unit that its column's `counts` counts."""
    transcribes: ClassVar[bool] = False
    """Is a transcript of an audio input, `input`, aligned with its time steps."""
    shown_as: ClassVar[str] = "Label"
    """The Gradio component that shows its answer."""
    decides: ClassVar[bool] = True
    """Its answer is discrete: an export reproduces it exactly or not, unlike a quantity."""
    task: ClassVar[str] = ""
    """multiclass, regression or multilabel: the task of the ensemble's members. Empty if only the
    network predicts it."""

    @property
    def reads(self) -> set[str]:
        """The inputs that it requires."""
        return set()

    def lacks(self, state: dict[str, Any]) -> str:
        """What the train split lacks, so that nothing can be learned; else empty."""
        return ""

    def about_empty(self) -> str:
        """How to declare that an empty cell has a meaning, if it may; else empty."""
        return ""

    def output_unit(self, state: dict[str, Any]) -> Unit:
        """Unit of the difference of two of its outputs."""
        return Unit()
