"""Options of an image input."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from mmbm.specs.base import Fraction, Spec
from mmbm.specs.choices import EncoderSpec
from mmbm.specs.columns import MediaSpec
from mmbm.specs.encoders import CNNSpec


class ImageAugment(Spec):
    """Random changes of an image, in training only."""

    flip: bool = False
    """Mirror left-right, one row in two."""
    crop: Fraction = 0.0
    """Shift by up to this part of the side (edges repeated)."""
    random_erasing: Fraction = 0.0
    """Probability of blanking a random rectangle (Zhong et al. 2017)."""


class ImageSpec(MediaSpec):
    kind: Literal["image"] = "image"
    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 64
    """Pixels after decoding: one number for a square, or [height, width]."""
    channels: Literal[1, 3] = 3
    resize: Literal["stretch", "pad", "crop"] = "stretch"
    """How images of another aspect ratio are resized."""
    bits: Annotated[int, Field(ge=8, le=16)] = 16
    """Bits of a gray pixel of more than 8: with 12, as of cameras and scanners, 4095 is white."""
    max_pixels: PositiveInt = 100_000_000
    """An image with more pixels (height times width) is refused before it is decoded."""
    augment: ImageAugment = ImageAugment()
    encoder: EncoderSpec = CNNSpec()

    @property
    def height(self) -> int:
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def width(self) -> int:
        return self.size if isinstance(self.size, int) else self.size[1]

    @property
    def augments(self) -> bool:
        return self.augment != ImageAugment()
