"""A target's fused answer, those without or with only one modality, the prior, and their mix.

While the model trains, every modality also learns to answer alone through a small head, and is
hidden now and then. After training, `fit` chooses on the valid split a convex mix of the fused
answer, the answers of each modality alone, the fused answers that don't see one of the modalities
(one that misleads then does no harm), and the prior: greedy ensemble selection with replacement
(Caruana et al. 2004), cross-fitted; and then a temperature (Guo et al. 2017). The mix is part of
the exported graph. A modality that is absent from a row has no say in it, so a row with nothing
present gets the prior.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmbm.columns import Column
from mmbm.config import AnyTargetSpec
from mmbm.nn.batch import Context, Field
from mmbm.nn.layers import Pool
from mmbm.registry import HEADS, find

FUSED_WEIGHT, PRIOR_WEIGHT = 1e-3, 1e-6
"""Least weights of the fused answer and the prior. The fused answer decides where a row has none of
the modalities that were chosen, the prior where it has nothing at all."""
ROUNDS = 40
FOLDS = 5


class Mixed(nn.Module):
    weights: Tensor  # [K]: fused, each modality alone, fused without each modality, prior
    temperature: Tensor  # []

    def __init__(self, spec: AnyTargetSpec, column: Column, width: int, modalities: list[str]):
        super().__init__()
        make = find(HEADS, spec.kind)
        self.modalities = modalities
        self.weight = spec.weight
        self.fused: Any = make(spec, column, width)
        self.pools = nn.ModuleList(Pool(width) for _ in modalities)
        self.alone = nn.ModuleList(make(spec, column, width) for _ in modalities)
        weights = torch.zeros(2 + 2 * len(modalities))
        weights[0], weights[-1] = 1.0, PRIOR_WEIGHT
        self.register_buffer("weights", weights)
        self.register_buffer("temperature", torch.tensor(1.0))

    def loss(
        self, context: Context, target: Field, auxiliary: float, share: Tensor | None = None
    ) -> Tensor:
        """Weighted mean over the rows that have this target. Scalar. share: of each row [B]."""
        assert context.fused is not None
        rows = target.present.sum().clamp(min=1)
        loss = self.fused.loss(self.fused(context.fused.pooled), target)  # [B]
        for name, raw in self._alone(context).items():
            alone = self.fused.loss(raw, target)
            loss = loss + auxiliary * alone * context.present[name] / len(self.modalities)
        if share is not None:
            loss = loss * share
        return self.weight * loss.sum() / rows

    def taught(self, target: Field, batch: dict[str, Field]) -> Tensor:
        """Which rows the loss is a mean of [B]."""
        return target.present

    def candidates(self, context: Context) -> tuple[Tensor, Tensor]:
        """All answers [K, B, C] and which of them each row has [K, B]."""
        assert context.fused is not None
        fused = self.fused.answer(self.fused(context.fused.pooled))  # [B, C]
        alone = [self.fused.answer(raw) for raw in self._alone(context).values()]
        without = [
            self.fused.answer(self.fused(context.without[name].pooled))
            if name in context.without
            else fused  # it has no weight, or isn't to be had
            for name in self.modalities
        ]
        prior = self.fused.prior.expand_as(fused)
        present = torch.stack([context.present[name] for name in self.modalities])  # [M, B]
        some = present.any(0)
        others = [
            (present.sum(0) - one.long() > 0) & (name in context.without)
            for name, one in zip(self.modalities, present)
        ]
        available = torch.stack([some, *present, *others, torch.ones_like(some)])
        return torch.stack([fused, *alone, *without, prior]), available

    def left_out(self) -> list[str]:
        """The modalities whose absence has a weight in the mix."""
        first = 1 + len(self.modalities)
        return [name for i, name in enumerate(self.modalities, first) if self.weights[i] > 0]

    def forward(self, context: Context) -> Tensor:
        """The mixed, tempered answer [B, C]."""
        answers, available = self.candidates(context)
        weights = self.weights[:, None] * available  # [K, B]
        weights = weights / weights.sum(0)
        return self.fused.temper((weights[..., None] * answers).sum(0), self.temperature)

    def _alone(self, context: Context) -> dict[str, Tensor]:
        parts = zip(self.modalities, self.pools, self.alone)
        return {
            name: head(pool(context.inputs[name].x, context.inputs[name].keep))
            for name, pool, head in parts
        }

    @torch.no_grad()
    def fit(self, answers: np.ndarray, available: np.ndarray, truth: "Truth") -> None:
        """Choose mix and temperature from the valid split: answers [K, N, C], available [K, N]."""
        if len(truth.values) < 2 * FOLDS:
            return  # too few rows to choose from: the fused answer stays
        weights = choose(answers, available, truth)
        self.weights.copy_(torch.from_numpy(weights))
        if truth.kind != "number":
            mixed = mix(weights, answers, available)
            temperatures = np.geomspace(0.4, 4.0, 47)
            losses = [truth.loss(_temper(self.fused, mixed, t)).mean() for t in temperatures]
            self.temperature.fill_(float(temperatures[int(np.argmin(losses))]))

    @torch.no_grad()
    def adopt(self, others: "list[Mixed]") -> None:
        """Take the mean mix and temperature of models that were trained like this one."""
        self.weights.copy_(torch.stack([other.weights for other in others]).mean(0))
        self.temperature.copy_(torch.stack([other.temperature for other in others]).mean())


def _temper(head: Any, answer: np.ndarray, temperature: float) -> np.ndarray:
    return head.temper(torch.from_numpy(answer), torch.tensor(temperature)).numpy()


class Truth(NamedTuple):
    """The right answers of N rows, and how far an answer is from them."""

    kind: str  # category | number | labels
    values: np.ndarray  # [N] class index | [N] number | [N, L] 0/1

    def loss(self, answer: np.ndarray) -> np.ndarray:
        """Loss of each row [N]: negative log-likelihood, or squared error for a number."""
        if self.kind == "number":
            return (answer[:, 0] - self.values) ** 2
        p: np.ndarray = np.clip(answer, 1e-7, 1 - 1e-7)
        if self.kind == "category":
            return -np.log(p[np.arange(len(p)), self.values])
        per_label = self.values * np.log(p) + (1 - self.values) * np.log(1 - p)
        return -np.mean(per_label, axis=-1, keepdims=True)[..., 0]

    def take(self, rows: np.ndarray) -> "Truth":
        return Truth(self.kind, self.values[rows])


def mix(weights: np.ndarray, answers: np.ndarray, available: np.ndarray) -> np.ndarray:
    """The same mix as `Mixed.forward`, without the temperature. [N, C]"""
    share = weights[:, None] * available
    return np.asarray(((share / share.sum(0))[..., None] * answers).sum(0), np.float32)


def choose(answers: np.ndarray, available: np.ndarray, truth: Truth) -> np.ndarray:
    """Mix weights [K], summing to 1, that lower the loss on rows they were not chosen on.

    Each fold's weights are chosen on the other folds. Their average is used only if the mixes of
    the folds, each on its own held-out rows, beat the fused answer; else fused answers alone.
    """
    only_fused = np.zeros(len(answers), dtype=np.float32)
    only_fused[0], only_fused[-1] = 1.0, PRIOR_WEIGHT
    fold_of = np.random.default_rng(0).permutation(len(truth.values)) % FOLDS
    chosen, mixed_loss = [], 0.0
    for fold in range(FOLDS):
        rows, held_out = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        weights = _greedy(answers[:, rows], available[:, rows], truth.take(rows))
        mixed = mix(weights, answers[:, held_out], available[:, held_out])
        mixed_loss += truth.take(held_out).loss(mixed).sum()
        chosen.append(weights)
    if mixed_loss >= truth.loss(mix(only_fused, answers, available)).sum():
        return only_fused
    weights = np.stack(chosen).mean(0)
    weights[0] = max(weights[0], FUSED_WEIGHT)
    return weights / weights.sum()


def _greedy(answers: np.ndarray, available: np.ndarray, truth: Truth) -> np.ndarray:
    counts = np.zeros(len(answers), dtype=np.float32)
    counts[-1] = PRIOR_WEIGHT
    best = np.inf
    for _ in range(ROUNDS):
        trials = counts + np.eye(len(answers), dtype=np.float32)
        losses = [truth.loss(mix(trial, answers, available)).mean() for trial in trials]
        if min(losses) >= best:
            break
        best = min(losses)
        counts = trials[int(np.argmin(losses))]
    return counts / counts.sum()
