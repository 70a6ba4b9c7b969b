"""The available encoders and fusions, from every installed package.

Separate from their base classes, so that a package's own options can import those.
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
