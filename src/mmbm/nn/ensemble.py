"""Several models of one config as one: the mean of their answers."""

from typing import Any

import torch
from torch import Tensor, nn

from mmbm.layers.batch import Encoded, Tokens
from mmbm.nn.modalities import Batch
from mmbm.nn.model import Model


class Ensemble(nn.Module):
    """Has the interface of a Model for runners and exporters. Tokens of all members are
    concatenated, [B, T, members * D], so that they too are encoded once for all subsets of
    modalities."""

    def __init__(self, members: list[Model]):
        super().__init__()
        self.members: Any = nn.ModuleList(members)
        self.modalities = members[0].modalities
        self.network = True
        self.representations = members[0].representations

    @property
    def inputs(self) -> Any:
        return self.members[0].inputs

    @property
    def targets(self) -> Any:
        return self.members[0].targets

    def encode(self, batch: Batch) -> Encoded:
        encoded = [member.encode(batch) for member in self.members]
        tokens = {
            name: Tokens(
                torch.cat([e.tokens[name].x for e in encoded], -1), encoded[0].tokens[name].keep
            )
            for name in self.modalities
        }
        return Encoded(tokens, encoded[0].present)

    def answer(
        self,
        tokens: dict[str, Tokens],
        present: dict[str, Tensor],
        features: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        parts = {name: t.x.chunk(len(self.members), -1) for name, t in tokens.items()}
        answers = [
            member.answer({n: Tokens(parts[n][i], t.keep) for n, t in tokens.items()}, present)
            for i, member in enumerate(self.members)
        ]
        return {name: torch.stack([a[name] for a in answers]).mean(0) for name in answers[0]}
