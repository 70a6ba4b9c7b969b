"""A graph is as dynamic as it was asked to be, or there is no graph."""

import pytest
import torch
from battery import exported
from torch import nn

from mmbm.errors import BundleError


class ReadsItsBatchAsANumber(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x + torch.zeros(len(x), 1),)


def test_an_axis_that_would_be_fixed_is_an_error_that_names_it(tmp_path):
    with pytest.raises(BundleError, match="axis 0 of x came out fixed at 3"):
        exported(ReadsItsBatchAsANumber(), {"x": torch.ones(3, 2)}, {}, tmp_path / "x.onnx")
