"""The model: encoders, then fusion, then one head per target."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mmbm.config import Config
from mmbm.kinds.column import Columns
from mmbm.kinds.contrastive.head import ContrastiveHead
from mmbm.kinds.text.head import TextHead
from mmbm.layers.batch import Context, Encoded, Fused, Prefix, Tokens
from mmbm.layers.target import Parts
from mmbm.nn import representations
from mmbm.nn.answer_ensemble import AnswerEnsemble
from mmbm.nn.mixup import Mixup
from mmbm.nn.modalities import Batch, NamedModules, build_modalities, stacked
from mmbm.nn.pretrained import Pretrained
from mmbm.nn.representations import EMBEDDING, FEATURES, modality_of
from mmbm.registry import find
from mmbm.specs.columns import TargetSpec
from mmbm.specs.fusion import MODALITY_DROPOUT


class Model(nn.Module):
    """Built from a Config and the fitted columns, nothing else."""

    def __init__(self, config: Config, columns: Columns):
        super().__init__()
        width = config.fusion.width
        self.modalities = config.modalities()
        names = list(self.modalities)
        self.network = config.network
        self.inputs = NamedModules(build_modalities(config, columns))
        fixed: Any = representations.build(config, columns) if config.classical else {}
        self.representations = NamedModules(fixed)
        exact = {name: part.exact for name, part in self.representations.items()}
        self.fusion: Any = None  # built only if a target needs it
        if config.fuses and self.network:
            self.absent = nn.Parameter(torch.randn(len(names), width) * 0.02)
            self.fusion = find(config.fusion.module)(config.fusion, names)
        network = names if self.network else []
        parts = Parts(width, network, config.train.batch_size, config.classical, exact)
        self.targets = NamedModules(
            {name: build_target(s, columns.get(name), parts) for name, s in config.targets.items()}
        )
        self.unimodal_loss_weight = config.train.unimodal_loss_weight
        self.mixup = Mixup(config.train.mixup) if config.train.mixup else None
        drop = config.fusion.modality_dropout
        self.drop = [
            drop.get(n, MODALITY_DROPOUT) if isinstance(drop, dict) else drop for n in names
        ]

    def encode(self, batch: Batch) -> Encoded:
        """Tokens, presence [B] and, except in training, fixed representations of every modality."""
        read = {name: m.encode(batch[name]) for name, m in self.inputs.items() if m.reads_cells}
        present = {
            name: stacked([batch[column].present for column in columns]).any(0)
            for name, columns in self.modalities.items()
        }
        features = {} if self.training else self.represent(batch, read, present)
        if not self.network:
            return Encoded(
                {name: alone(features[f"{name}.{FEATURES}"]) for name in present}, present, features
            )
        tokens = {
            name: m.project_tokens(read[name]) if name in read else m(batch)
            for name, m in self.inputs.items()
        }
        return Encoded(tokens, present, features)

    def represent(
        self, batch: Batch, read: dict[str, Tokens], present: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The representations [B, F], zero where a modality is absent; none before they are
        fitted."""
        if not all(part.fitted for _, part in self.representations.items()):
            return {}
        return {
            name: part(read if name.endswith(f".{EMBEDDING}") else batch)
            * present[modality_of(name)][:, None]
            for name, part in self.representations.items()
        }

    def context(
        self,
        tokens: dict[str, Tokens],
        present: dict[str, Tensor],
        features: dict[str, Tensor] | None = None,
        left_out: Iterable[str] = (),
    ) -> Context:
        """Fusion reads a learned token where a modality is absent (or hidden, in training), and
        runs again for each of `left_out` as if it were absent."""
        known = {
            name: x * present[modality_of(name)][:, None] for name, x in (features or {}).items()
        }
        if self.fusion is None:
            return Context(tokens, present, None, {}, known)
        seen = self.hide(present) if self.training else present
        without = {
            name: self.fuse(tokens, {**seen, name: torch.zeros_like(seen[name])})
            for name in left_out
        }
        return Context(tokens, present, self.fuse(tokens, seen), without, known)

    def fuse(self, tokens: dict[str, Tokens], seen: dict[str, Tensor]) -> Fused:
        stand_in = dict(zip(self.modalities, self.absent))
        return self.fusion({n: where(seen[n], t, stand_in[n]) for n, t in tokens.items()})

    def inject_lora(self) -> None:
        """Inject trained additions to pretrained weights: see `Pretrained.inject_lora`."""
        for part in self.pretrained():
            part.inject_lora()

    def pretrained(self) -> list[Pretrained]:
        return [part for part in self.modules() if isinstance(part, Pretrained)]

    def finalize(self) -> None:
        """Compute only what the targets' ensembles need from now on, with plain weights."""
        for part in self.pretrained():
            part.merge()
        for _, target in self.mixed():
            target.finalize()

    def join(self, other: "Model") -> None:
        """Take over another's representations and classical members."""
        self.representations = other.representations
        for name, target in self.mixed():
            target.join(other.targets[name])
        self.to(self.absent.device)

    def mixed(self) -> list[tuple[str, AnswerEnsemble]]:
        """The targets with an answer ensemble, by name."""
        return [(name, t) for name, t in self.targets.items() if isinstance(t, AnswerEnsemble)]

    def contrastive(self) -> dict[str, ContrastiveHead]:
        """The contrastive targets."""
        return {name: t for name, t in self.targets.items() if isinstance(t, ContrastiveHead)}

    def embed(self, batch: Batch) -> dict[str, Tensor]:
        """The embeddings [B, M, D] of every contrastive target."""
        encoded = self.encode(batch)
        context = Context(encoded.tokens, encoded.present, None, {})
        return {name: head(context) for name, head in self.contrastive().items()}

    def writers(self) -> dict[str, TextHead]:
        """The targets that generate text."""
        return {name: t for name, t in self.targets.items() if isinstance(t, TextHead)}

    def answer(
        self,
        tokens: dict[str, Tokens],
        present: dict[str, Tensor],
        features: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """`TARGET`; for a text `TARGET.cache` and `TARGET.read`, the start of its generation."""
        used = {name for _, target in self.mixed() for name in target.left_out()}
        left_out = [name for name in self.modalities if name in used]
        context, named = self.context(tokens, present, features, left_out), {}
        for name, target in self.targets.items():
            answer = target(context)
            if isinstance(answer, Prefix):
                named |= {f"{name}.{part}": value for part, value in answer._asdict().items()}
            else:
                named[name] = answer
        return named

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.answer(*self.encode(batch))

    def loss(self, batch: Batch, targets: Batch, scale: dict[str, Tensor] | None = None) -> Tensor:
        """The sum of the targets' losses, each times its `scale` if given. Scalar."""
        if self.mixup:
            losses = self.mixup.losses(self, batch, targets)
        else:
            context = self.context(*self.encode(batch))
            losses = {
                name: target.loss(context, targets[name], self.unimodal_loss_weight)
                for name, target in self.targets.items()
            }
        scaled = losses if scale is None else {k: v * scale[k] for k, v in losses.items()}
        return torch.stack(list(scaled.values())).sum()

    def hide(self, present: dict[str, Tensor]) -> dict[str, Tensor]:
        """Modality dropout per row; a row always keeps at least one present modality."""
        known = torch.stack(list(present.values()))  # [M, B]
        drop = torch.tensor(self.drop, device=known.device)[:, None]
        seen = known & (torch.rand(known.shape, device=known.device) >= drop)
        seen = torch.where(seen.any(0), seen, known)
        return dict(zip(present, seen))


def alone(features: Tensor) -> Tokens:
    """A representation as the only token of its modality."""
    x = features[:, None]
    return Tokens(x, torch.ones_like(x[..., 0], dtype=torch.bool))


def build_target(spec: TargetSpec, column: Any, parts: Parts) -> nn.Module:
    """An ensemble of members where the target has a task, else its own head."""
    make = AnswerEnsemble if spec.task else spec.traits.part("head")
    return make(spec, column, parts)


def where(present: Tensor, tokens: Tokens, absent: Tensor) -> Tokens:
    """Rows that lack a modality get the single token `absent` [D] instead."""
    first = torch.arange(tokens.keep.shape[1], device=tokens.keep.device) == 0  # [T]
    x = torch.where(present[:, None, None], tokens.x, absent.to(tokens.x.dtype) * first[:, None])
    keep = (tokens.keep & present[:, None]) | (first & ~present[:, None])  # no `where` on booleans
    return Tokens(x, keep)
