"""Options of a vector input."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mmbm.specs.columns import InputSpec

LONGEST = 16_384
"""Maximum dimension of a vector."""


class VectorSpec(InputSpec):
    """A vector from another model, an embedding: standardized, then one linear layer."""

    kind: Literal["vector"] = "vector"
    not_decoding: ClassVar = frozenset({"width"})
    drift: ClassVar = "distance"
    encoding: ClassVar = "dense"
    length: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    """Dimension of the vectors; another length is a bad cell. Not given: that of most of the train
    rows."""
    width: Annotated[int, Field(ge=1, le=1024)] = 64
    """Output size of the linear layer."""
