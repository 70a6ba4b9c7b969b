"""Which encoders and fusions there are: those of every installed package.

Apart from what they are made of, so that a package's own options can import that.
"""

from typing import TYPE_CHECKING

from mmbm.registry import options
from mmbm.specs.base import union
from mmbm.specs.encoders import Encoder, OwnSpec
from mmbm.specs.fusion import FusionSpec

if TYPE_CHECKING:
    EncoderSpec = Encoder
    AnyFusionSpec = FusionSpec
else:
    EncoderSpec = union({**options("mmbm.encoders"), "own": OwnSpec})
    AnyFusionSpec = union(options("mmbm.fusions"))
