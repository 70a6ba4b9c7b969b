"""The pooled embedding of a frozen pretrained encoder."""

import torch
from torch import Tensor

from mmbm.layers.batch import Tokens
from mmbm.layers.representation import Representation


class EmbeddingRepresentation(Representation):
    """Tokens of a frozen encoder [B, T, E] -> [B, 2E]: their mean and standard deviation."""

    def __init__(self, column: str):
        super().__init__()
        self.column = column

    def raw(self, batch: dict[str, Tokens]) -> Tensor:  # type: ignore[override]
        x, keep = batch[self.column].x.float(), batch[self.column].keep[..., None]
        count = keep.sum(1).clamp(min=1)
        mean = (x * keep).sum(1) / count
        variance = ((x - mean[:, None]).square() * keep).sum(1) / count
        return torch.cat([mean, (variance + 1e-6).sqrt()], 1)
