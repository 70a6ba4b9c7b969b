"""torch -> LiteRT (TensorFlow Lite). It has no dynamic axes, so every graph exists in a few fixed
sizes that share their weights; the runner pads to one that fits, which changes no answer."""

import contextlib
import copy
import io
import json
import logging
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmbm.errors import BundleError, MissingExtra
from mmbm.inference.predictor import Predictor
from mmbm.inference.restore import restore
from mmbm.inference.runners.litert import FACTS, Facts, signature
from mmbm.kinds.number.frontend import FARTHEST, NumberFrontend
from mmbm.kinds.text.representation import TextRepresentation
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import Recurrence
from mmbm.nn.representations import modality_of
from mmbm.nn.representations.table import Standard
from mmbm.training.export_onnx import Answer, Encode, between

BATCHES = (1, 8)  # rows
PARTS = (16, 4, 1)
"""Audio and texts of up to a sixteenth and a quarter of the maximum length, and the maximum."""
STEPS = 128
"""Maximum recurrent steps that are unrolled: each is a dozen operators, in every size. With a
recurrence there are fewer sizes: the converter takes seconds for a hundred steps."""


def convert(bundle: Predictor, folder: Path, precision: str) -> None:
    """One file for each graph, and the metadata that the runner needs."""
    try:
        import litert_torch  # type: ignore[import-not-found]
    except ModuleNotFoundError as error:
        raise MissingExtra("Export to litert", "litert") from error
    model = restore(bundle.bundle)
    check_texts(bundle, model)
    recurrent = any(isinstance(module, Recurrence) for module in model.modules())
    batches, parts = (BATCHES[:1], PARTS[1:]) if recurrent else (BATCHES, PARTS)
    levels = lengths(bundle, parts)
    args = {(b, i): example(bundle, size, b) for b in batches for i, size in enumerate(levels)}
    inputs = list(args[1, 0])
    encode = Encode(model, inputs)
    with torch.no_grad():
        check_steps(bundle, model, encode, args[1, len(levels) - 1])
    passed = between(model)
    taken = [n for n in passed if model.network or not n.endswith((".x", ".keep"))]
    encode = replaced(encode)
    answer = replaced(Some(Answer(model), [name in taken for name in passed]))
    encoders, answers = litert_torch.Converter(), litert_torch.Converter()
    sizes: dict[str, list[dict[str, int]]] = {"encode": levels, "answer": []}
    with quiet(), torch.no_grad():
        for (batch, level), given in args.items():
            tokens = encode(*(split(value) for value in given.values()))
            encoders.signature(signature(batch, level), encode, tuple(map(split, given.values())))
            if level == len(levels) - 1:  # one size does for `answer`: tokens are few and cheap
                named = {n: t for n, t in zip(passed, tokens) if n in taken}
                answers.signature(signature(batch, 0), answer, tuple(named.values()))
                sizes["answer"] = [{n: t.shape[1] for n, t in named.items() if t.ndim > 1}]
        encoders.convert().export(str(folder / "encode.tflite"))
        answers.convert().export(str(folder / "answer.tflite"))
    targets = list(model.targets.names)
    facts = {
        "encode": Facts(inputs, passed, sizes["encode"], list(batches))._asdict(),
        "answer": Facts(taken, targets, sizes["answer"], list(batches))._asdict(),
    }
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def lengths(bundle: Predictor, parts: tuple[int, ...]) -> list[dict[str, int]]:
    """The sizes of audio and texts that have graphs, smallest first."""
    most = {
        name: spec.longest
        for name, spec in bundle.config.inputs.items()
        if bundle.columns[name].storage.ragged
    }
    return [{n: math.ceil(m / part) for n, m in most.items()} for part in (parts if most else (1,))]


def example(bundle: Predictor, size: dict[str, int], batch: int) -> dict[str, Tensor]:
    """A batch of absent cells, of the right types and shapes, to trace with."""
    args: dict[str, Tensor] = {}
    for name in (column for columns in bundle.config.modalities().values() for column in columns):
        storage = bundle.columns[name].storage
        shape = (batch, *([size[name]] if storage.ragged else []), *storage.shape)
        args[name] = torch.zeros(shape, dtype=getattr(torch, storage.dtype))
        if storage.ragged:
            args[f"{name}.lengths"] = torch.ones(batch, dtype=torch.int64)
        args[f"{name}.present"] = torch.zeros(batch, dtype=torch.bool)
    return args


def check_texts(bundle: Predictor, model: Any) -> None:
    """Raises BundleError where classical members read a text."""
    for name, part in model.representations.items():
        if isinstance(part, TextRepresentation):
            raise BundleError(
                f"{bundle.path}: classical members read {modality_of(name)!r} as TF-IDF, which "
                "counts words by an operator that LiteRT lacks. Train with members: [network] for "
                "LiteRT, or export to onnx or openvino."
            )


def check_steps(bundle: Predictor, model: Any, encode: nn.Module, args: dict[str, Tensor]) -> None:
    """Raises BundleError if a recurrence is too long to be unrolled."""
    parts = encode(*args.values())
    for i, name in enumerate(model.modalities if model.network else ()):
        steps = parts[3 * i].shape[1]
        recurrent = any(isinstance(m, Recurrence) for m in model.inputs[name].modules())
        if recurrent and steps > STEPS:
            raise BundleError(
                f"{bundle.path}: the encoder rnn of {name!r} takes up to {steps} steps. LiteRT has "
                f"no recurrent operator, so each would be written out, and beyond {STEPS} the file "
                "grows out of hand. Train it with encoder: cnn or transformer, or shorter cells."
            )


# ── workarounds for LiteRT ────────────────────────────────────────────────────────────────────────


def split(value: Tensor) -> Tensor:
    """A float64 [B] as two float32 [B, 2] whose sum it is; anything else unchanged."""
    if value.dtype != torch.float64:
        return value
    high = value.float()
    return torch.stack([high, (value - high.double()).float()], -1)


def replaced(module: nn.Module) -> nn.Module:
    """A copy whose recurrences are unrolled and whose numbers are computed without float64."""
    module = copy.deepcopy(module)
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Recurrence):
                setattr(parent, name, Unrolled(child))
            elif isinstance(child, NumberFrontend):
                setattr(parent, name, SplitNumber(child))
            elif isinstance(child, Standard):
                setattr(parent, name, SplitStandard(child))
    return module.eval()


class Some(nn.Module):
    """A module with some of its inputs: the converter drops unused ones."""

    def __init__(self, module: nn.Module, given: list[bool]):
        super().__init__()
        self.module, self.given = module, given

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        left = iter(args)
        return self.module(*(next(left) if given else None for given in self.given))


class SplitNumber(nn.Module):
    """`NumberFrontend` on a float64 given as the sum of two float32: differences of near numbers
    keep their digits, so a time stamp is as exact as in float64."""

    def __init__(self, number: NumberFrontend):
        super().__init__()
        self.mix, self.act, self.features = number.mix, number.act, number.features
        self.std = float(number.std)
        self.mean = split(number.mean.reshape(1))[0]  # [2]
        self.low = split(number.edges[:-1])  # [n, 2]
        self.width = (number.edges[1:] - number.edges[:-1]).float()  # [n]

    def forward(self, field: Field) -> Features:
        high, rest = field.values[:, :1], field.values[:, 1:]  # each [B, 1]
        z = ((high - self.mean[0]) + (rest - self.mean[1])) / self.std
        bins = ((high - self.low[:, 0]) + (rest - self.low[:, 1])) / self.width  # [B, n]
        x = torch.cat([z.clamp(-FARTHEST, FARTHEST), bins.clamp(0, 1)], -1)
        return Features(self.act(self.mix(x)))  # [B, F]


class SplitStandard(nn.Module):
    """`Standard` on numbers given as sums of two float32."""

    def __init__(self, standard: Standard):
        super().__init__()
        self.center = split(standard.center)  # [N, 2]
        self.scale = standard.scale.float()  # [N]

    def forward(self, columns: list[Tensor]) -> Tensor:
        values = torch.stack(columns, 1)  # [B, N, 2]
        return (values - self.center).sum(-1) / self.scale


class Unrolled(nn.Module):
    """`Recurrence` step by step. Backwards, a row's state is zero until its own last position."""

    def __init__(self, recurrence: Recurrence):
        super().__init__()
        self.recurrence = recurrence
        self.step = {"gru": gru, "lstm": lstm}[recurrence.cell]

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:  # [B, T, F], [B, T] -> [B, T, n*H]
        layers: Any = list(self.recurrence.directions)
        mask = keep.to(x.dtype)[..., None]  # [B, T, 1]
        given = [x @ layer.weight_ih_l0.T + layer.bias_ih_l0 for layer in layers]
        weight = torch.stack([layer.weight_hh_l0.T for layer in layers])  # [n, H, gates*H]
        bias = torch.stack([layer.bias_hh_l0[None] for layer in layers])  # [n, 1, gates*H]
        h = c = x.new_zeros(len(layers), x.shape[0], self.recurrence.hidden)  # [n, B, H]
        outputs = []
        for t in range(x.shape[1]):  # forwards at t and backwards at -1-t in one step
            times = (t, -1 - t)[: len(layers)]
            here = torch.stack([g[:, time] for g, time in zip(given, times)])  # [n, B, gates*H]
            shown = torch.stack([mask[:, time] for time in times])  # [n, B, 1]
            before = torch.bmm(h, weight) + bias
            h, c = (state * shown for state in self.step(here, before, (h, c)))
            outputs.append(h)
        ways = [torch.stack([both[0] for both in outputs], 1)]  # [B, T, H]
        if len(layers) == 2:
            ways.append(torch.stack([both[1] for both in reversed(outputs)], 1))
        return torch.cat(ways, -1) * mask


State = tuple[Tensor, Tensor]


def gru(given: Tensor, before: Tensor, state: State) -> State:
    width = state[0].shape[-1]
    gates = torch.sigmoid(given[..., : 2 * width] + before[..., : 2 * width])
    reset, update = gates[..., :width], gates[..., width:]
    new = torch.tanh(given[..., 2 * width :] + reset * before[..., 2 * width :])
    h = new + update * (state[0] - new)
    return h, h


def lstm(given: Tensor, before: Tensor, state: State) -> State:
    i, f, g, o = (given + before).chunk(4, -1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the converter's report on each of its steps."""
    level = logging.root.level
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.root.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logging.root.setLevel(level)
