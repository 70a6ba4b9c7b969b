"""What specs of inputs and of targets share."""

from typing import ClassVar, Self

from pydantic import PositiveInt, model_validator

from mmbm import registry
from mmbm.registry import Kind
from mmbm.specs.base import Positive, Spec


class ColumnSpec(Spec):
    """Of a column, as input or as target."""

    kind: str

    @property
    def traits(self) -> Kind:
        """What the product knows of its kind."""
        return registry.kind(self.kind)

    @property
    def is_media(self) -> bool:
        """Its cells are files, or paths or bytes of files."""
        return bool(self.traits.media)

    def whole(self) -> Self:
        """As a bundle reads cells: what training reads by windows comes whole."""
        return self


class InputSpec(ColumnSpec):
    """Of a table column; columns of one `group` form one modality."""

    tabular: ClassVar[bool] = True
    group: str = "table"
    """Number, category and labels inputs of one group form one modality."""


class MediaSpec(ColumnSpec):
    """Of a column that is a modality of its own."""

    tabular: ClassVar[bool] = False
    has_seconds: ClassVar[bool] = False
    """Its cells last some time."""
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
    task: ClassVar[str] = ""
    """multiclass, regression or multilabel: what an ensemble of members learns. Empty where the
    network alone answers."""

    def quick(self) -> Self:
        """As it is answered while training: by the quickest search."""
        return self
