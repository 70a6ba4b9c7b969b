"""The fixed features of an image."""

import numpy as np
import pytest
import torch

from mmbm.config import load as configfile
from mmbm.kinds.image.representation import ImageRepresentation
from mmbm.layers.batch import Field


def test_an_image_is_described_alike_at_any_size():
    """The means of its cells, whose edges lie inside of pixels, stay those of the image."""
    spec = configfile.parse(
        {"data": {"table": "t"}, "inputs": {"x": {"kind": "image", "size": [37, 53]}},
         "targets": {"y": "category"}}
    ).inputs["x"]  # fmt: skip
    part = ImageRepresentation("x", spec, None)
    plain = torch.full((1, 37, 53, 3), 51, dtype=torch.uint8)
    x = part.raw({"x": Field(plain, torch.ones(1), torch.ones(1, dtype=torch.bool))})
    assert x[0, : 3 * 64].numpy() == pytest.approx(np.full(192, 0.2), abs=1e-5)
    assert torch.isfinite(x).all()
