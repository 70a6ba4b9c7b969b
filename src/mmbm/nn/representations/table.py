"""Table columns as features: numbers, indicators of absence, one-hot categories and labels."""

import numpy as np
import torch
from torch import Tensor

from mmbm.columns import Columns
from mmbm.config import CategorySpec, Config, NumberSpec
from mmbm.nn.batch import Field
from mmbm.nn.representations.base import Representation

VALUES = 1000
"""Values of a category that have a feature, the most frequent; others have none of them."""


class TableRepresentation(Representation):
    """Fields of all number, category and labels columns of one group -> [B, F].

    A number that is absent is zero, its mean, beside an indicator that it is.
    """

    center: Tensor  # [N] of the number columns
    scale: Tensor  # [N]
    exact = True

    def __init__(self, names: list[str], config: Config, columns: Columns):
        super().__init__()
        specs = {name: config.inputs[name] for name in names}
        self.numbers = [n for n, spec in specs.items() if isinstance(spec, NumberSpec)]
        self.categories = [n for n, spec in specs.items() if isinstance(spec, CategorySpec)]
        self.labels = [n for n in names if n not in (*self.numbers, *self.categories)]
        states = [columns[name].state for name in self.numbers]
        for key, name in (("mean", "center"), ("std", "scale")):
            learned = torch.tensor([state[key] for state in states], dtype=torch.float64)
            self.register_buffer(name, learned)
        counts = [columns[name].state["counts"] for name in self.categories]
        self.values = [1 + np.argsort(c)[::-1][:VALUES].copy() for c in counts]
        for i, values in enumerate(self.values):
            self.register_buffer(f"values_{i}", torch.from_numpy(values), persistent=False)

    def raw(self, batch: dict[str, Field]) -> Tensor:
        parts = []
        if self.numbers:
            fields = [batch[name] for name in self.numbers]
            values = torch.cat([f.values for f in fields]).reshape(len(fields), -1).T  # [B, N]
            known = torch.cat([f.present for f in fields]).reshape(len(fields), -1).T
            z = ((values - self.center) / self.scale).float()
            parts += [torch.where(known, z, 0.0), (~known).float()]
        for i, name in enumerate(self.categories):
            index = batch[name].values.long()[:, None]  # [B, 1]
            known = batch[name].present[:, None]
            parts.append(((index == getattr(self, f"values_{i}")) & known).float())
        for name in self.labels:
            parts.append(batch[name].values.float() * batch[name].present[:, None])
        return torch.cat(parts, 1)
