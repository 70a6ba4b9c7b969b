"""Options of a contrastive target."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from mmbm.specs.base import Positive, Spec
from mmbm.specs.columns import TargetSpec


class ZeroShotSpec(Spec):
    """Zero-shot classification (CLIP, Radford et al. 2021): a cell's class is the one whose name
    has the nearest embedding."""

    label_column: str
    """A column of the table with the name of each row's class; only evaluation reads it."""
    input: str
    """The column that is classified."""
    text_input: str
    """The text column that encodes the names."""
    templates: Annotated[tuple[str, ...], Field(min_length=1)] = ("{}",)
    """Prompt templates of `text_input`, with the name in place of {}; several are averaged."""


class ContrastiveTarget(TargetSpec):
    """Contrastive learning for retrieval (CLIP-style): an embedding of each of several columns, in
    one space, where cells of one row lie close to one another."""

    kind: Literal["contrastive"] = "contrastive"
    shown_as: ClassVar[str] = "Number"
    decides: ClassVar[bool] = False
    columns: Annotated[list[str], Field(min_length=2)]
    """The image, audio and text inputs to align. It has no cells of its own."""
    width: PositiveInt = 128
    """Dimension of the embeddings."""
    loss: Literal["infonce", "sigmoid"] = "infonce"
    """infonce: each cell selects its partner among all of the batch (CLIP, Radford et al. 2021);
    sigmoid: each pair is classified by itself (SigLIP, Zhai et al. 2023)."""
    temperature: Positive = 0.07
    """Initial temperature, the divisor of similarities: it is learned, and stays above 0.01."""
    zero_shot: ZeroShotSpec | None = None
    """Evaluate zero-shot classification too."""
    fuses: ClassVar[bool] = False
    has_cells: ClassVar[bool] = False

    @model_validator(mode="after")
    def _different(self):
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns: each of them once")
        if any("{}" not in t for t in self.zero_shot.templates) if self.zero_shot else False:
            raise ValueError("zero_shot.templates: each needs {} in the place of the name")
        return self

    @property
    def reads(self) -> set[str]:
        return set(self.columns)
