"""From columns to tokens: a modality for each image, audio or text input, one for a table."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mmbm.config import Config
from mmbm.errors import ConfigError
from mmbm.kinds.column import Columns
from mmbm.kinds.number.frontend import NumberFrontend, Numbers
from mmbm.layers.batch import Features, Field, Tokens
from mmbm.layers.blocks import valid
from mmbm.nn.encoders.table import Table
from mmbm.nn.representations import is_frozen
from mmbm.registry import find

Batch = dict[str, Field]


RAW = (torch.uint8, torch.int16, torch.int32)
"""Types of decoded image, audio and text cells, which a frozen encoder may read; its features are
floats."""


class Modality(nn.Module):
    """An image, audio or text column: frontend -> encoder -> shared width; a pretrained encoder may
    be followed by a trained one."""

    def __init__(self, column: str, spec: Any, columns: Columns, width: int):
        super().__init__()
        self.column = column
        self.frozen = spec.encoder.frozen
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
        """Cells -> x [B, T, E], keep [B, T]; or the encoder's cached output for them, see
        `mmbm.training.feature_cache`."""
        if self.frozen and field.values.dtype not in RAW:
            return encoded(field)
        return self.encoder(self.frontend(field))

    def project_tokens(self, tokens: Tokens) -> Tokens:
        """To the model's width [B, T, D]."""
        x, keep = self.downstream(Features(*tokens)) if self.downstream else tokens
        return Tokens(self.project(x) * keep[..., None], keep)


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
    """All table columns of one group together."""

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

    column: Tensor  # int64 [sum of F]: the column of each number of the concatenated vectors
    order: Tensor  # int64 [sum of F]: its index in the number columns followed by the others

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
    """Tables compute their number columns as one tensor inside this context: tracing and exporting
    a graph takes time for every operation, and each column alone has a dozen."""
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


def build_encoder(spec: Any, layout: str, features: int) -> Any:
    """A user's own encoder is called as `Class(layout, features, **options)`."""
    if not spec.own:
        return find(spec.module)(spec, layout, features)
    own = find(spec.module)
    if not (isinstance(own, type) and issubclass(own, nn.Module)):
        raise ConfigError(f"{spec.kind!r} is no torch.nn.Module, so it can't be an encoder.")
    return own(layout, features, **spec.options)
