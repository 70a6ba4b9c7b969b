"""Options of a vector input."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mmbm.specs.columns import InputSpec

LONGEST = 16_384
"""Numbers of a vector."""


class VectorSpec(InputSpec):
    """A vector that another model made, an embedding: standardized, then one linear layer."""

    kind: Literal["vector"] = "vector"
    not_decoding: ClassVar = frozenset({"width"})
    drift: ClassVar = "distance"
    encoding: ClassVar = "dense"
    length: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    """How many numbers a vector has; another length is a bad cell. Not given: as many as most of
    the train rows have."""
    width: Annotated[int, Field(ge=1, le=1024)] = 64
    """Numbers after the linear layer."""
