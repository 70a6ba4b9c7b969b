"""Encoders, then fusion, then one answer per target."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mmbm.config import Config
from mmbm.errors import ConfigError
from mmbm.kinds.column import Columns
from mmbm.kinds.contrastive.head import ContrastiveHead
from mmbm.kinds.number.frontend import NumberFrontend, Numbers
from mmbm.kinds.text.head import TextHead
from mmbm.layers.batch import Context, Encoded, Features, Field, Fused, Prefix, Tokens
from mmbm.layers.blocks import valid
from mmbm.layers.target import Parts
from mmbm.nn import representations
from mmbm.nn.answer_ensemble import AnswerEnsemble
from mmbm.nn.encoders.table import Table
from mmbm.nn.mixup import Mixup
from mmbm.nn.pretrained import Pretrained
from mmbm.nn.representations import EMBEDDING, FEATURES, is_frozen, modality_of
from mmbm.registry import find
from mmbm.specs.columns import TargetSpec
from mmbm.specs.fusion import MODALITY_DROPOUT

Batch = dict[str, Field]
RAW = (torch.uint8, torch.int16, torch.int32)
"""What cells of pictures, sounds and texts are decoded to; features are floats."""


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
        self.fusion: Any = None  # made only where a target asks for it
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
        """Tokens, presence [B] and, but in training, fixed representations of every modality."""
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
        """Fusion sees a learned token where a modality is absent (or hidden, while training), and
        another time for each of `left_out` as if it were absent."""
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
        """Add what is trained in place of pretrained weights: see `Pretrained.inject_lora`."""
        for part in self.pretrained():
            part.inject_lora()

    def pretrained(self) -> list[Pretrained]:
        return [part for part in self.modules() if isinstance(part, Pretrained)]

    def finalize(self) -> None:
        """From now on compute only what the mixes of the targets have a use for, by plain
        weights."""
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
        """The targets whose answer is a mix, by name."""
        return [(name, t) for name, t in self.targets.items() if isinstance(t, AnswerEnsemble)]

    def contrastive(self) -> dict[str, ContrastiveHead]:
        """The targets that align columns."""
        return {name: t for name, t in self.targets.items() if isinstance(t, ContrastiveHead)}

    def embed(self, batch: Batch) -> dict[str, Tensor]:
        """Of every contrastive target the embeddings [B, M, D]."""
        encoded = self.encode(batch)
        context = Context(encoded.tokens, encoded.present, None, {})
        return {name: head(context) for name, head in self.contrastive().items()}

    def writers(self) -> dict[str, TextHead]:
        """The targets that write a text."""
        return {name: t for name, t in self.targets.items() if isinstance(t, TextHead)}

    def answer(
        self,
        tokens: dict[str, Tokens],
        present: dict[str, Tensor],
        features: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """`TARGET`; of a text `TARGET.cache` and `TARGET.read`, where its writing begins."""
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

    def loss(self, batch: Batch, targets: Batch) -> Tensor:
        if self.mixup:
            return self.mixup.loss(self, batch, targets)
        context = self.context(*self.encode(batch))
        losses = [
            t.loss(context, targets[k], self.unimodal_loss_weight) for k, t in self.targets.items()
        ]
        return torch.stack(losses).sum()

    def hide(self, present: dict[str, Tensor]) -> dict[str, Tensor]:
        """Modality dropout per row; a row never loses all it has."""
        known = torch.stack(list(present.values()))  # [M, B]
        drop = torch.tensor(self.drop, device=known.device)[:, None]
        seen = known & (torch.rand(known.shape, device=known.device) >= drop)
        seen = torch.where(seen.any(0), seen, known)
        return dict(zip(present, seen))


class Modality(nn.Module):
    """One picture, sound or text column: frontend -> encoder -> shared width; a pretrained encoder
    may have a trained one behind it."""

    def __init__(self, column: str, spec: Any, columns: Columns, width: int):
        super().__init__()
        self.column = column
        reads = "raw_frontend" if spec.encoder.raw else "frontend"
        self.frontend = spec.traits.part(reads)(spec, columns[column])
        if spec.encoder.raw:
            learned = columns[column].state["pretrained"]
            self.encoder = find(spec.encoder.module)(spec.encoder, learned)
        else:
            self.encoder = build_encoder(spec.encoder, self.frontend.layout, self.frontend.features)
        behind = getattr(spec.encoder, "downstream", None)
        self.downstream = build_encoder(behind, "tokens", self.encoder.width) if behind else None
        self.project = nn.Linear((self.downstream or self.encoder).width, width)

    reads_cells = True
    """Its encoder's output is read by representations too."""

    def forward(self, batch: Batch) -> Tokens:
        return self.project_tokens(self.encode(batch[self.column]))

    def encode(self, field: Field) -> Tokens:
        """Cells -> x [B, T, E], keep [B, T]; or what the encoder gave for them before, see
        `nn.features`."""
        if field.values.dtype not in RAW:
            return encoded(field)
        return self.encoder(self.frontend(field))

    def project_tokens(self, tokens: Tokens) -> Tokens:
        """To the model's width [B, T, D]."""
        x, keep = self.downstream(Features(*tokens)) if self.downstream else tokens
        return Tokens(self.project(x) * keep[..., None], keep)


def alone(features: Tensor) -> Tokens:
    """A representation as the only token of its modality."""
    x = features[:, None]
    return Tokens(x, torch.ones_like(x[..., 0], dtype=torch.bool))


def encoded(field: Field) -> Tokens:
    return Tokens(field.values, valid(field.lengths, field.values.shape[1]))


class SharedModality(nn.Module):
    """A column that is read by another column's modality (`share_weights_with`)."""

    def __init__(self, column: str, original: Modality):
        super().__init__()
        self.column = column
        self.original = original

    @property
    def frontend(self) -> nn.Module:
        return self.original.frontend

    reads_cells = True

    def forward(self, batch: Batch) -> Tokens:
        return self.project_tokens(self.encode(batch[self.column]))

    def encode(self, field: Field) -> Tokens:
        return self.original.encode(field)

    def project_tokens(self, tokens: Tokens) -> Tokens:
        return self.original.project_tokens(tokens)


class TableModality(nn.Module):
    """All number, category and labels columns of one group together."""

    reads_cells = False

    def __init__(self, names: list[str], config: Config, columns: Columns):
        super().__init__()
        specs = {name: config.inputs[name] for name in names}
        self.frontends = NamedModules(
            {n: spec.traits.part("frontend")(spec, columns[n]) for n, spec in specs.items()}
        )
        self.encoder = Table({name: front.features for name, front in self.frontends.items()})
        self.project = nn.Linear(self.encoder.width, config.fusion.width)
        self.frontends_together: Together | None = (
            None  # only while a graph is made: see `numbers_together`
        )

    def forward(self, batch: Batch) -> Tokens:
        if self.frontends_together is not None:
            x, keep = self.encoder.tokens(*self.frontends_together(batch))
            return Tokens(self.project(x), keep)
        features = {name: front(batch[name]) for name, front in self.frontends.items()}
        x, keep = self.encoder(features, {name: batch[name].present for name in features})
        return Tokens(self.project(x), keep)  # [B, 1, D]


class Together(nn.Module):
    """The frontends of a table with its number columns as one tensor."""

    column: Tensor  # int64 [sum of F]: the column of each number of the vectors side by side
    order: Tensor  # int64 [sum of F]: its place behind the number columns and the others

    def __init__(self, frontends: "NamedModules"):
        super().__init__()
        modules = dict(frontends.items())
        self.names = list(modules)
        self.numbers = [n for n, m in modules.items() if isinstance(m, NumberFrontend)]
        rest = {n: m for n, m in modules.items() if n not in self.numbers}
        self.frontends = NamedModules(rest)
        self.number = Numbers([modules[name] for name in self.numbers])
        sizes = {name: module.features for name, module in modules.items()}
        starts, start = {}, 0
        for name in [*self.numbers, *rest]:
            starts[name] = start
            start += sizes[name]
        places = [torch.arange(sizes[name]) + starts[name] for name in self.names]
        columns = [torch.full((sizes[name],), i) for i, name in enumerate(self.names)]
        self.register_buffer("order", torch.cat(places))
        self.register_buffer("column", torch.cat(columns))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        fields = [batch[name] for name in self.numbers]
        values = stacked([field.values for field in fields]).T  # [B, N]
        others = [front(batch[name]).x for name, front in self.frontends.items()]
        numbers = self.number(fields[0]._replace(values=values)).x
        x = torch.cat([numbers, *others], -1)[:, self.order]
        known = stacked([batch[name].present for name in self.names]).T  # [B, C]
        return x, known[:, self.column]


@contextlib.contextmanager
def numbers_together(model: nn.Module) -> Iterator[None]:
    """Tables compute their number columns as one tensor meanwhile: tracing and exporting a graph
    takes time for every operation, and each column alone has a dozen."""
    tables = [m for m in model.modules() if isinstance(m, TableModality)]
    wide = {t: t.frontends for t in tables if count(t.frontends, NumberFrontend) > 1}
    for table, frontends in wide.items():
        table.frontends_together, table.frontends = Together(frontends), NamedModules({})
    try:
        yield
    finally:
        for table, frontends in wide.items():
            table.frontends_together, table.frontends = None, frontends


def count(modules: "NamedModules", kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for _, module in modules.items())


def stacked(columns: list[Tensor]) -> Tensor:
    """[B] each -> [N, B], in a graph by two operations for any number of them."""
    return torch.cat(columns).reshape(len(columns), -1)


class NamedModules(nn.ModuleDict):
    """A ModuleDict whose keys may be any column name, also `type`, `train` or `a.b`."""

    def __init__(self, modules: dict[str, nn.Module]):
        self.names = {name: f"/{name.replace('%', '%25').replace('.', '%2E')}" for name in modules}
        super().__init__({self.names[name]: module for name, module in modules.items()})

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(self.names[name])

    def items(self) -> list[tuple[str, Any]]:  # type: ignore[override]
        return [(name, self[name]) for name in self.names]


def build_modalities(config: Config, columns: Columns) -> dict[str, nn.Module]:
    """Without a network only those that classical members read."""
    modalities: dict[str, Any] = {}
    shared = {}
    for name, names in config.modalities().items():
        spec = config.inputs[names[0]]
        if not config.network and not is_frozen(spec):
            continue
        if spec.tabular:
            modalities[name] = TableModality(names, config, columns)
        elif spec.share_weights_with:
            shared[name] = spec.share_weights_with
        else:
            modalities[name] = Modality(name, spec, columns, config.fusion.width)
    for name, original in shared.items():
        modalities[name] = SharedModality(name, modalities[original])
    return {name: modalities[name] for name in config.modalities() if name in modalities}


def build_target(spec: TargetSpec, column: Any, parts: Parts) -> nn.Module:
    """An ensemble of members where the target has a task, else its own head."""
    make = AnswerEnsemble if spec.task else spec.traits.part("head")
    return make(spec, column, parts)


def build_encoder(spec: Any, layout: str, features: int) -> Any:
    """A user's own encoder is called as `Class(layout, features, **options)`."""
    if not spec.own:
        return find(spec.module)(spec, layout, features)
    own = find(spec.module)
    if not (isinstance(own, type) and issubclass(own, nn.Module)):
        raise ConfigError(f"{spec.kind!r} is no torch.nn.Module, so it can't be an encoder.")
    return own(layout, features, **spec.options)


def where(present: Tensor, tokens: Tokens, absent: Tensor) -> Tokens:
    """Rows that lack a modality get the one token `absent` [D] instead."""
    first = torch.arange(tokens.keep.shape[1], device=tokens.keep.device) == 0  # [T]
    x = torch.where(present[:, None, None], tokens.x, absent.to(tokens.x.dtype) * first[:, None])
    keep = (tokens.keep & present[:, None]) | (first & ~present[:, None])  # no `where` of booleans
    return Tokens(x, keep)
