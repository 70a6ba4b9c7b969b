"""A frontend of each kind, fitted by hand, and cells for it."""

import torch
from samples import gathered
from torch import nn

from mmbm.layers.batch import Field

FRONTENDS = gathered("FRONTENDS")


def make(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return FRONTENDS[kind].build().eval()


def example(kind: str, lengths: list[int]) -> Field:
    """Random cells; lengths count samples or tokens and are 1 for the other kinds."""
    return FRONTENDS[kind].cells(lengths)
