from typing import ClassVar, Literal

from mmbm.specs.columns import InputSpec
from mmbm.specs.encoders import Encoder
from mmbm.specs.fusion import FusionSpec


class PointSpec(InputSpec):
    """Two coordinates in one cell."""

    kind: Literal["point"] = "point"
    separator: str = ","
    """Between the two."""


class AverageSpec(Encoder):
    """The mean of a text's tokens."""

    kind: Literal["average"] = "average"
    module: ClassVar[str] = "mmbm_point.modules:Average"


class LargestSpec(FusionSpec):
    """Of each feature the largest of all modalities."""

    kind: Literal["largest"] = "largest"
    module: ClassVar[str] = "mmbm_point.modules:Largest"
