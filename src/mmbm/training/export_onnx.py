"""ONNX export of the graphs `encode`, `answer` and `step`: see `mmbm.inference.runners`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmbm.config import Config
from mmbm.data.batches import Split
from mmbm.errors import BundleError
from mmbm.inference.evaluate import flatten
from mmbm.inference.generation import wrap_runner
from mmbm.inference.runners import Runner, Unit, difference
from mmbm.inference.runners.onnx import OnnxRunner
from mmbm.inference.runners.torch import TorchRunner, fields
from mmbm.kinds.audio.column import AudioColumn, hop
from mmbm.kinds.column import Columns
from mmbm.kinds.text.head import TextHead
from mmbm.layers.batch import Encoded, Tokens
from mmbm.nn.ensemble import Ensemble
from mmbm.nn.graph import Axes, to_onnx
from mmbm.nn.modalities import numbers_together
from mmbm.nn.model import Model

TOLERANCE = 1e-4
"""Largest difference of a probability (or of a number, in standard deviations) between the float32
torch model and the exported graphs, on rows of the valid split."""
EXAMPLE_ROWS = 3
EXAMPLE_STEPS = 64
"""Tokens or frames to trace with: more than any encoder's total stride."""


class Encode(nn.Module):
    """encode as a function of named tensors in a fixed order."""

    def __init__(self, model: Model | Ensemble, names: list[str]):
        super().__init__()
        self.model, self.names = model, names
        self.columns = [column for columns in model.modalities.values() for column in columns]

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        batch = fields(dict(zip(self.names, args)), self.columns)
        tokens, present, features = self.model.encode(batch)
        # combined with `keep`, whose first token is always kept, so that it is not a plain copy
        known = {name: present[name] & tokens[name].keep.any(1) for name in tokens}
        named = (t for name in tokens for t in (*tokens[name], known[name]))
        return (*named, *features.values())


class Answer(nn.Module):
    def __init__(self, model: Model | Ensemble):
        super().__init__()
        self.model = model

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.answer(*self.parts(self.model, args)).values())

    @staticmethod
    def parts(model: Model | Ensemble, args: Sequence[Tensor]) -> Encoded:
        parts = {name: args[3 * i : 3 * i + 3] for i, name in enumerate(model.modalities)}
        tokens = {name: Tokens(x, keep) for name, (x, keep, _) in parts.items()}
        present = {name: present for name, (_, _, present) in parts.items()}
        features = zip(model.representations.names, args[3 * len(parts) :])
        return Encoded(tokens, present, dict(features))


class Step(nn.Module):
    def __init__(self, writer: TextHead):
        super().__init__()
        self.writer = writer

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        return self.writer.step(*args)


def export(model: Model | Ensemble, columns: Columns, folder: Path) -> None:
    """Write encode.onnx and answer.onnx: any batch size, any length of audio and texts."""
    folder.mkdir(parents=True, exist_ok=True)
    batch = torch.export.Dim("batch")
    args, axes = example(model, columns, batch)
    device = next(model.parameters()).device
    model = model.cpu().eval()
    names = between(model)
    with numbers_together(model):
        to_onnx(Encode(model, list(args)), args, axes, names, folder / "encode.onnx")

    encoded = dict(zip(names, Encode(model, list(args))(*args.values())))
    varying = [
        n
        for n, cs in model.modalities.items()
        if model.network and any(columns[c].storage.ragged for c in cs)
    ]
    axes = {name: {0: batch} for name in names}
    for i, name in enumerate(varying):
        length = torch.export.Dim(f"tokens_{i}")
        axes[f"{name}.x"] = axes[f"{name}.keep"] = {0: batch, 1: length}
    tokens = {k: lengthened(k, v, axes[k]) for k, v in encoded.items()}
    outputs = list(model.answer(*Answer.parts(model, list(tokens.values()))))
    to_onnx(Answer(model), tokens, axes, outputs, folder / "answer.onnx")
    if isinstance(model, Model):
        for i, writer in enumerate(model.writers().values()):
            to_onnx(
                Step(writer), *step_example(writer), ["logits", "grown"], folder / f"step-{i}.onnx"
            )
    model.to(device)


def between(model: Model | Ensemble) -> list[str]:
    """Names of the outputs of `encode` and inputs of `answer`."""
    parts = [f"{name}.{part}" for name in model.modalities for part in ("x", "keep", "known")]
    return [*parts, *model.representations.names]


def example(
    model: Model | Ensemble, columns: Columns, batch
) -> tuple[dict[str, Tensor], dict[str, Axes]]:
    """A small batch of the right types to trace with, and its dynamic axes."""
    args: dict[str, Tensor] = {}
    axes: dict[str, Axes] = {}
    for i, name in enumerate(c for names in model.modalities.values() for c in names):
        storage = columns[name].storage
        column = columns[name]
        length = EXAMPLE_STEPS * (hop(column.spec) if isinstance(column, AudioColumn) else 1)
        shape = (EXAMPLE_ROWS, *([length] if storage.ragged else []), *storage.shape)
        args[name] = torch.from_numpy(np.zeros(shape, dtype=storage.dtype))  # index 0 exists
        axes[name] = {0: batch}
        if storage.ragged:
            axes[name][1] = torch.export.Dim(f"length_{i}")
            args[f"{name}.lengths"] = torch.full((EXAMPLE_ROWS,), length, dtype=torch.int64)
            axes[f"{name}.lengths"] = {0: batch}
        args[f"{name}.present"] = torch.ones(EXAMPLE_ROWS, dtype=torch.bool)
        axes[f"{name}.present"] = {0: batch}
    return args, axes


def step_example(writer: TextHead) -> tuple[dict[str, Tensor], dict[str, Axes]]:
    batch, past = torch.export.Dim("batch"), torch.export.Dim("past")
    layers, two, heads, width = writer.decoder.shape
    args = {
        "token": torch.ones(EXAMPLE_ROWS, dtype=torch.int64),
        "place": torch.ones(EXAMPLE_ROWS, dtype=torch.int64),
        "cache": torch.zeros(EXAMPLE_ROWS, layers, two, heads, EXAMPLE_STEPS, width),
        "seen": torch.ones(EXAMPLE_ROWS, EXAMPLE_STEPS, dtype=torch.bool),
    }
    axes = {"cache": {0: batch, 4: past}, "seen": {0: batch, 1: past}}
    return args, {"token": {0: batch}, "place": {0: batch}, **axes}


def lengthened(name: str, tensor: Tensor, axes: Axes) -> Tensor:
    """At least two tokens if the length is dynamic: one would be taken for a constant."""
    if 1 not in axes or tensor.shape[1] > 1:
        return tensor
    return torch.cat([tensor, torch.zeros_like(tensor)], 1)


def verify(
    model: Model | Ensemble,
    config: Config,
    columns: Columns,
    folder: Path,
    rows: Split,
    unit: dict[str, Unit],
) -> float:
    """Largest difference between torch and the files: alone and in an odd batch, short and long.

    Raises BundleError beyond TOLERANCE. `unit` is the unit of a difference, per target.
    """
    device = next(model.parameters()).device
    pair = TorchRunner(model, device), OnnxRunner(folder)
    torch_runner, onnx_runner = (wrap_runner(runner, config) for runner in pair)
    order = np.argsort(rows.length(), kind="stable")
    batches = [
        order[:1],
        order[-1:],
        order[:3],
        order[-5:],
        order[:: max(len(order) // 17, 1)][:17],
    ]
    worst = 0.0
    for positions in batches:
        arrays = flatten(rows.gather(positions).inputs, columns)
        ours, theirs = (_answers(runner, arrays) for runner in (torch_runner, onnx_runner))
        for name, mine in ours.items():
            worst = np.maximum(worst, difference(unit[name], mine, theirs[name]))  # keeps a NaN
    if not worst <= TOLERANCE:
        raise BundleError(
            f"The exported graphs move an answer by {worst:.2g}, more than {TOLERANCE:g}: they "
            "would not serve what was trained. Please report this with the config."
        )
    return worst


def _answers(runner: Runner, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return runner.run("answer", runner.run("encode", arrays))
