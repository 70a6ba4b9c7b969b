"""Series features without training: statistics of each channel over the whole series."""

import torch
from torch import Tensor

from mmbm.kinds.column import Column
from mmbm.kinds.series.frontend import Steps, statistics
from mmbm.kinds.series.spec import SeriesSpec
from mmbm.layers.batch import Field
from mmbm.layers.representation import Representation

GRID = 2.0**12
"""Statistics are rounded to multiples of it: their last digits differ between machines, and a
tree's threshold must not depend on them."""
MOST = 100
"""Up to this many channels trees read all statistics, above it their principal components."""


class SeriesRepresentation(Representation):
    """Fields of one series column -> [B, 8C + 2]: count, mean, standard deviation, minimum,
    maximum, first and last value of each channel and the change between these, number of steps and
    duration."""

    def __init__(self, column: str, spec: SeriesSpec, fitted: Column):
        super().__init__()
        self.column, self.steps = column, Steps(spec, fitted)
        self.exact = self.steps.channels <= MOST

    def raw(self, batch: dict[str, Field]) -> Tensor:
        time, z, known, keep = self.steps(batch[self.column])
        parts = statistics(z, known)
        steps = keep.sum(1, keepdim=True).float().log()
        duration = time.amax(1) / self.steps.duration  # [B, 1]
        features = torch.cat([*parts, parts[-1] - parts[-2], steps, duration], 1)
        return (features * GRID).round() / GRID
