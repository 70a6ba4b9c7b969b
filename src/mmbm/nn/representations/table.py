"""Table columns as features: numbers, indicators of absence, one-hot categories and labels; and the
quantile bins of numbers."""

import numpy as np
import torch
from torch import Tensor, nn

from mmbm.config import Config
from mmbm.kinds.column import Columns
from mmbm.layers.batch import Field
from mmbm.layers.representation import FARTHEST, Representation

VALUES = 1000
"""Values of a category that have a feature, the most frequent; others have none of them."""


class Standard(nn.Module):
    """Number columns [B] float64 each -> standard scores [B, N]."""

    center: Tensor  # [N]
    scale: Tensor  # [N]

    def __init__(self, center: list[float], scale: list[float]):
        super().__init__()
        self.register_buffer("center", torch.tensor(center, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))

    def forward(self, columns: list[Tensor]) -> Tensor:
        values = torch.cat(columns).reshape(len(columns), -1).T  # [B, N]
        return ((values - self.center) / self.scale).float()


class TableRepresentation(Representation):
    """Fields of all table columns of one group -> [B, F].

    An absent number is zero, its mean, with an indicator of absence. A kind with a representation
    of its own uses that.
    """

    def __init__(self, names: list[str], config: Config, columns: Columns):
        super().__init__()
        specs = {name: config.inputs[name] for name in names}
        self.numbers = [n for n, spec in specs.items() if spec.encoding == "standardized"]
        self.categories = [n for n, spec in specs.items() if spec.encoding == "one_hot"]
        self.exact = any(spec.encoding != "dense" for spec in specs.values())
        self.own = [n for n in names if specs[n].traits.representation]
        others = (*self.numbers, *self.categories, *self.own)
        self.labels = [n for n in names if n not in others]
        self.parts = nn.ModuleList(
            specs[n].traits.part("representation")(specs[n], columns[n]) for n in self.own
        )
        states = [columns[name].state for name in self.numbers]
        self.standard = Standard([s["mean"] for s in states], [s["std"] for s in states])
        counts = [columns[name].state["counts"] for name in self.categories]
        self.values = [1 + np.argsort(c)[::-1][:VALUES].copy() for c in counts]
        for i, values in enumerate(self.values):
            self.register_buffer(f"values_{i}", torch.from_numpy(values), persistent=False)

    def raw(self, batch: dict[str, Field]) -> Tensor:
        parts = []
        if self.numbers:
            fields = [batch[name] for name in self.numbers]
            known = torch.cat([f.present for f in fields]).reshape(len(fields), -1).T
            z = self.standard([f.values for f in fields])
            parts += [torch.where(known, z, 0.0), (~known).float()]
        for i, name in enumerate(self.categories):
            index = batch[name].values.long()[:, None]  # [B, 1]
            known = batch[name].present[:, None]
            parts.append(((index == getattr(self, f"values_{i}")) & known).float())
        for name in self.labels:
            parts.append(batch[name].values.float() * batch[name].present[:, None])
        parts += [part(batch[name]) for name, part in zip(self.own, self.parts)]
        return torch.cat(parts, 1)


class BinsRepresentation(Representation):
    """Fields of number columns -> how far each of their quantile bins is filled [B, F]: a linear
    member over them is piecewise linear in each number (Gorishniy et al. 2022). A number that is
    absent is zero, as the mean is.
    """

    low: Tensor  # [F] float64
    width: Tensor  # [F] float64, > 0
    column: Tensor  # [F] of each bin, its place among the columns

    def __init__(self, names: list[str], columns: Columns):
        super().__init__()
        self.names = names
        edges = [np.array(columns[name].state["edges"], np.float64) for name in names]
        places = [np.full(len(e) - 1, i) for i, e in enumerate(edges)]
        fixed = {
            "low": np.concatenate([e[:-1] for e in edges]),
            "width": np.concatenate([np.diff(e) for e in edges]),
            "column": np.concatenate(places),
        }
        for name, values in fixed.items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def raw(self, batch: dict[str, Field]) -> Tensor:
        return self.filled(batch)[0]

    def forward(self, batch: dict[str, Field]) -> Tensor:
        x, known = self.filled(batch)
        z = (x - self.mean) / self.spread
        return torch.where(known, z.clamp(-FARTHEST, FARTHEST), 0.0)

    def filled(self, batch: dict[str, Field]) -> tuple[Tensor, Tensor]:
        """From 0 to 1 [B, F], and which numbers are there [B, F]."""
        fields = [batch[name] for name in self.names]
        values = torch.cat([f.values for f in fields]).reshape(len(fields), -1).T  # [B, N]
        known = torch.cat([f.present for f in fields]).reshape(len(fields), -1).T
        x = (values[:, self.column] - self.low) / self.width
        return x.clamp(0, 1).float(), known[:, self.column]
