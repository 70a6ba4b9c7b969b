"""Base class of representations: raw features, standardized."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmbm.layers.batch import Field
from mmbm.layers.fitted import Fitted

FARTHEST = 10.0
"""Standard deviations; features further out are clipped to this."""

LEAST = 1e-4
"""A feature that varies less counts as constant: dividing by its spread would magnify rounding.
"""


class Representation(Fitted):
    """Dense features, standardized by what was fitted, so that zero is the mean.

    A subclass gives `raw`, and may fit more than the mean and the spread.
    """

    mean: Tensor  # [F]
    spread: Tensor  # [F], > 0
    exact = False
    """Its features are the cells' own values: a tree's threshold lies between two of them. The
    others come from arithmetic that differs by rounding from one machine to the next."""
    sparse = False
    """Most features are zero: kept as a sparse matrix while members are fitted."""

    def __init__(self, **dtypes: torch.dtype):
        super().__init__(mean=torch.float32, spread=torch.float32, **dtypes)

    @property
    def fitted(self) -> bool:
        return bool(self.mean.numel())

    def raw(self, batch: dict[str, Field]) -> Tensor:
        """Features before standardizing [B, F]."""
        raise NotImplementedError

    def forward(self, batch: dict[str, Field]) -> Tensor:
        """Standardized features [B, F], float32."""
        z = (self.raw(batch).float() - self.mean) / self.spread
        return z.clamp(-FARTHEST, FARTHEST)

    def fit(self, batches: Iterator[tuple[dict[str, Field], Tensor]]) -> None:
        """Mean and spread of each feature over the rows that have the modality.

        batches: fields by column, and which rows have the modality [B].
        """
        count, total, squares = 0, 0.0, 0.0
        for batch, present in batches:
            x = self.raw(batch)[present].double()
            count += len(x)
            total, squares = total + x.sum(0), squares + x.square().sum(0)
        if not count:
            size = self.raw(batch).shape[1]
            self.fill(mean=np.zeros(size), spread=np.ones(size))
            return
        mean = torch.as_tensor(total / count)
        variance = (torch.as_tensor(squares / count) - mean.square()).clamp(min=0)
        spread = variance.sqrt()
        self.fill(mean=mean, spread=torch.where(spread > LEAST, spread, torch.ones_like(spread)))
