"""What every frontend, encoder and fusion must survive; the test files run parts through it."""

from types import SimpleNamespace

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.export import Dim

from mmbm.layers.batch import Features, Field, Fused, Tokens
from mmbm.layers.blocks import valid
from mmbm.nn.graph import to_onnx

torch.set_num_threads(1)


def column(state: dict | None = None, shape: tuple[int, ...] = ()) -> SimpleNamespace:
    """A fitted column, as far as a frontend looks at it."""
    return SimpleNamespace(state=state or {}, storage=SimpleNamespace(shape=shape))


def field(values: Tensor, lengths: list[int] | None = None) -> Field:
    rows = len(values)
    return Field(
        values,
        torch.tensor(lengths) if lengths else torch.ones(rows, dtype=torch.int64),
        torch.ones(rows, dtype=torch.bool),
    )


class Flat(nn.Module):
    """A frontend, encoder or both, with tensors in and tensors out, as a graph sees it."""

    def __init__(self, frontend: nn.Module | None, encoder: nn.Module | None = None):
        super().__init__()
        self.frontend, self.encoder = frontend, encoder

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        if self.frontend:
            out = self.frontend(Field(values, lengths, lengths > 0))
        else:
            sequence = values.ndim == 3
            out = Features(values, valid(lengths, values.shape[1]) if sequence else None)
        if self.encoder:
            out = self.encoder(out)
        return (out.x,) if out.keep is None else (out.x, out.keep)


class FlatFusion(nn.Module):
    """A fusion with x and keep of every modality as its arguments."""

    def __init__(self, fusion: nn.Module, names: list[str]):
        super().__init__()
        self.fusion, self.names = fusion, names

    def forward(self, *args: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pairs = zip(args[0::2], args[1::2])
        fused: Fused = self.fusion({k: Tokens(x, keep) for k, (x, keep) in zip(self.names, pairs)})
        return fused.pooled, fused.tokens.x, fused.tokens.keep


def exported(module: nn.Module, example: dict[str, Tensor], ragged: dict[str, str], path):
    """A function from named tensors to a list of numpy arrays, run by onnxruntime.

    ragged: the inputs whose second axis is dynamic, and the name of that length.
    """
    dims = {length: Dim(length) for length in ragged.values()}
    axes = {
        name: {0: Dim("batch"), **({1: dims[ragged[name]]} if name in ragged else {})}
        for name in example
    }
    with torch.no_grad():
        outputs = [f"out{i}" for i in range(len(module.eval()(*example.values())))]
    to_onnx(module, example, axes, outputs, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return lambda **tensors: session.run(None, {name: tensors[name].numpy() for name in names})


def answers(module: nn.Module, **tensors: Tensor) -> list[np.ndarray]:
    with torch.no_grad():
        return [out.numpy() for out in module.eval()(*tensors.values())]


def gap(left: list[np.ndarray], right: list[np.ndarray]) -> float:
    """Largest difference between two lists of arrays of the same shapes."""
    for a, b in zip(left, right, strict=True):
        assert a.shape == b.shape, (a.shape, b.shape)
    return max(
        float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0))
        for a, b in zip(left, right)
    )
