"""Answer ensemble: members and their weights for a category, number or labels target.

While the network trains, every modality also learns to answer alone through a small head, and is
hidden at random. After training, `training.selection` chooses on rows that were not trained on a
convex combination of the network's fused answer, its answers from each modality alone, its answers
without one of the modalities, and the classical members (`mmbm.nn.members`); and then a temperature
(Guo et al. 2017). The ensemble is part of the exported graph. A member whose modality is absent
from a row is left out, so a row with nothing present gets the prior.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.layers.batch import Context, Field
from mmbm.layers.blocks import Pool
from mmbm.layers.target import Parts
from mmbm.nn.members.classical import Classical
from mmbm.specs.columns import TargetSpec

FUSED_WEIGHT, PRIOR_WEIGHT = 1e-3, 1e-6
"""Minimum weights of the fused answer and the prior. The fused answer decides if a row has none of
the selected modalities, the prior if it has nothing at all."""


class AnswerEnsemble(nn.Module):
    """Members in the order of `names`: the network's, the classical ones, the prior. Categories and
    labels are mixed as probabilities, numbers as standard scores (of their logarithm with `log`).
    """

    weights: Tensor  # [K], by `names`
    temperature: Tensor  # []

    def __init__(self, spec: TargetSpec, column: Column, parts: Parts):
        super().__init__()
        make, width = spec.traits.part("head"), parts.width
        self.modalities = modalities = parts.modalities
        self.weight = spec.weight
        self.task = spec.task
        self.fused: Any = make(spec, column, width)
        self.pools = nn.ModuleList(Pool(width) for _ in modalities)
        self.alone = nn.ModuleList(make(spec, column, width) for _ in modalities)
        size = self.fused.output.out_features
        self.classical = Classical(parts.members, spec.task, size, parts.exact)
        self.names = [*network_names(modalities), *self.classical.names, "prior"]
        weights = torch.zeros(len(self.names))
        weights[0], weights[-1] = 1.0, PRIOR_WEIGHT
        self.register_buffer("weights", weights)
        self.register_buffer("temperature", torch.tensor(1.0))
        self.finalize()

    def finalize(self) -> None:
        """Compute only the members that have a weight from now on."""
        self.used = [bool(weight > 0) for weight in self.weights.tolist()]

    def loss(
        self,
        context: Context,
        target: Field,
        unimodal_loss_weight: float,
        share: Tensor | None = None,
    ) -> Tensor:
        """Weighted mean over the rows that have this target. Scalar. share: of each row [B]."""
        assert context.fused is not None
        rows = target.present.sum().clamp(min=1)
        loss = self.fused.loss(self.fused(context.fused.pooled), target)  # [B]
        for i, name in enumerate(self.modalities):
            alone = self.fused.loss(self.answer_alone(context, i), target)
            loss = loss + unimodal_loss_weight * alone * context.present[name] / len(
                self.modalities
            )
        if share is not None:
            loss = loss * share
        return self.weight * loss.sum() / rows

    def loss_mask(self, target: Field, batch: dict[str, Field]) -> Tensor:
        """The rows that the loss averages [B]."""
        return target.present

    def left_out(self) -> list[str]:
        """The modalities whose absence has a weight in the ensemble."""
        first = 1 + len(self.modalities)
        return [name for i, name in enumerate(self.modalities, first) if self.used[i]]

    def forward(self, context: Context) -> Tensor:
        """The weighted answer after the temperature [B, C]."""
        parts = [
            (weight, answer, available)
            for weight, answer, available, used in zip(
                self.weights, self.members(context, self.used), self.available(context), self.used
            )
            if used and answer is not None
        ]
        share = torch.stack([weight * available for weight, _, available in parts])  # [K, B]
        share = share / share.sum(0)
        mixed = (share[..., None] * torch.stack([answer for _, answer, _ in parts])).sum(0)
        return self.finish(mixed)

    def finish(self, mixed: Tensor) -> Tensor:
        """An ensemble's mean -> the target's output."""
        if self.task == "regression":
            return self.fused.answer(mixed)
        return self.fused.temper(mixed, self.temperature)

    def candidates(self, context: Context) -> tuple[Tensor, Tensor]:
        """The answers of the network's members, and of the classical ones if they are fitted [B, K,
        C], and which of them each row has [B, K]."""
        used = self.fitted
        answers = [a for a, use in zip(self.members(context, used), used) if use]
        available = [a for a, use in zip(self.available(context), used) if use]
        return torch.stack([a for a in answers if a is not None], 1), torch.stack(available, 1)

    @property
    def fitted(self) -> list[bool]:
        """The members of `candidates`, by `names`: not the prior, nor unfitted classical ones."""
        network = len(self.names) - 1 - len(self.classical.names)
        return [*[True] * network, *self.classical.fitted, False]

    def members(self, context: Context, used: list[bool]) -> Iterator[Tensor | None]:
        """The answer of each member [B, C], by `names`, in the ensemble's units; None for unused
        ones."""
        first = len(self.names) - 1 - len(self.classical.names)
        if self.modalities:
            assert context.fused is not None
            fused = self.mixable(self.fused(context.fused.pooled))
            yield fused if used[0] else None
            for i in range(len(self.modalities)):
                yield self.mixable(self.answer_alone(context, i)) if used[1 + i] else None
            for name, use in zip(self.modalities, used[1 + len(self.modalities) :]):
                pooled = context.without[name].pooled if name in context.without else None
                answer = fused if pooled is None else self.mixable(self.fused(pooled))
                yield answer if use else None
        raws = self.classical(context.features, used[first:-1])
        yield from (None if raw is None else self.mixable(raw) for raw in raws)
        rows = next(iter(context.present.values())).shape[0]
        prior = self.fused.prior * (self.task != "regression")
        yield prior.float().expand(rows, -1)

    def available(self, context: Context) -> list[Tensor]:
        """Which members each row has [B], by `names`, from its present modalities."""
        present = torch.stack(list(context.present.values()))  # [M, B]
        some = present.any(0)
        found = []
        if self.modalities:
            own = [context.present[name] for name in self.modalities]
            others = [
                (present.sum(0) - one.long() > 0) & (name in context.without)
                for name, one in zip(self.modalities, own)
            ]
            found = [some, *own, *others]
        classical = self.classical.available(context.present) if self.classical.names else []
        return [*found, *classical, torch.ones_like(some)]

    def mixable(self, raw: Tensor) -> Tensor:
        return raw.float() if self.task == "regression" else self.fused.answer(raw)

    def answer_alone(self, context: Context, i: int) -> Tensor:
        """The raw output of modality number `i` of the network alone [B, C]."""
        tokens = context.inputs[self.modalities[i]]
        return self.alone[i](self.pools[i](tokens.x, tokens.keep))

    def join(self, other: "AnswerEnsemble") -> None:
        """Take over another's classical members; weights must be chosen again."""
        self.classical = other.classical
        self.names = [*network_names(self.modalities), *self.classical.names, "prior"]
        self.register_buffer("weights", self.weights.new_zeros(len(self.names)))

    @torch.no_grad()
    def choose(self, weights: Tensor, temperature: float) -> None:
        self.weights.copy_(weights)
        self.temperature.fill_(temperature)
        self.finalize()
        first = len(self.names) - 1 - len(self.classical.names)
        self.classical.clear(self.used[first:-1])

    @torch.no_grad()
    def adopt(self, others: "list[AnswerEnsemble]") -> None:
        """Take the mean weights and temperature of models with the same config."""
        weights = torch.stack([other.weights for other in others]).mean(0)
        self.choose(weights, float(torch.stack([o.temperature for o in others]).mean()))


def network_names(modalities: list[str]) -> list[str]:
    """The network's members: all modalities fused, each alone, all but one."""
    if not modalities:
        return []
    alone = [f"network {name} alone" for name in modalities]
    return ["network", *alone, *(f"network without {name}" for name in modalities)]
