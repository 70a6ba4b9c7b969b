"""ONNX export of a torch module whose named inputs and outputs keep their dynamic axes."""

import contextlib
import hashlib
import io
import logging
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_ir
import torch
from onnx_ir.tensor_adapters import TorchTensor
from torch import Tensor, nn
from torch.onnx import ONNXProgram

from mmbm.errors import BundleError

Axes = dict[int, torch.export.Dim]
LARGE = 2**31 - 2**27
"""Bytes of weights above which they are in a separate file next to the graph, such as
`encode.onnx.data`: a protobuf holds 2 GB at most."""
SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata of a node: the modules it comes from, outermost first."""


def to_onnx(
    module: nn.Module,
    args: dict[str, Tensor],
    axes: dict[str, Axes],
    outputs: list[str],
    path: str | Path,
) -> None:
    """Write `module(*args.values())`, a tuple of tensors called `outputs`, to `path`, weights above
    `LARGE` next to it.

    args: an example of every input by name; at least two rows, and a length that is still two
        or more after all strides, since an axis of 1 would be taken for a constant.
    axes: the dynamic axes of each input, axis -> Dim.
    """
    module.eval()
    with quiet(), torch.no_grad():
        program = ONNXProgram(traced(Positional(module), args, axes, outputs), None)
        program.optimize()
    for name, given in zip(args, program.model.graph.inputs):
        assert given.shape is not None
        for axis in axes.get(name, {}):
            if isinstance(size := given.shape[axis], int):
                raise BundleError(
                    f"{module.__class__.__name__} can't be exported: axis {axis} of {name} "
                    f"came out fixed at {size}. Either the module takes it as a Python number "
                    "(len(x) or int(x.shape[0]) instead of x.shape[0]), or the example is so short "
                    "that strides reduce it to 1."
                )
    for node in program.model.graph:  # only each node's module, not its stack trace:
        scopes = node.metadata_props.get(SCOPES)  # the rest contains paths of this machine
        node.metadata_props.clear()
        if scopes:
            node.metadata_props[SCOPES] = scopes
    weights = [value.const_value for value in program.model.graph.initializers.values()]
    program.save(str(path), external_data=sum(w.nbytes for w in weights if w is not None) > LARGE)


def traced(
    module: nn.Module, args: dict[str, Tensor], axes: dict[str, Axes], outputs: list[str]
) -> onnx_ir.Model:
    """The graph before constant folding. Tracing takes ten times as long as all the rest, so equal
    modules, such as those of several seeds or folds, are traced once: docs/decisions/036."""
    shapes = [(name, tuple(arg.shape), str(arg.dtype)) for name, arg in args.items()]
    key = fingerprint(module, shapes, str(axes), outputs)
    weights = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    model = _known.pop(key, None) if key else None
    if model is None:
        program = torch.onnx.export(
            module,
            tuple(args.values()),
            dynamo=True,
            opset_version=20,
            dynamic_shapes=(tuple(axes.get(name, {}) for name in args),),
            input_names=list(args),
            output_names=outputs,
            optimize=False,
            verbose=False,
        )
        assert program is not None  # dynamo=True returns one
        model = program.model
        for name, value in model.graph.initializers.items():
            if name in weights:
                value.const_value = None
    if key is not None:
        _known[key] = model
        if len(_known) > MOST:
            del _known[next(iter(_known))]
    filled = model.clone()
    for name, value in filled.graph.initializers.items():
        if value.const_value is None:
            value.const_value = TorchTensor(weights[name].detach(), name)
    return filled


_known: dict[bytes, onnx_ir.Model] = {}
"""Graphs without weights, by the fingerprint of what they were traced from; the latest last."""
MOST = 16


def fingerprint(module: nn.Module, *more: Any) -> bytes | None:
    """Fingerprint of all that a trace depends on: code and attributes, but only the shapes of
    weights and buffers, which are symbols in it. None for a module that can't be pickled."""
    file = io.BytesIO()
    try:
        _Make(file, module).dump((module, *more))
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError):
        return None  # a parametrized module raises RuntimeError
    return hashlib.sha256(file.getvalue()).digest()


class _Make(pickle.Pickler):
    def __init__(self, file: io.BytesIO, module: nn.Module):
        super().__init__(file)
        tensors = (*module.parameters(), *module.buffers())  # one with two names counts once
        self.symbols = {id(tensor): i for i, tensor in enumerate(tensors)}

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Tensor) and id(obj) in self.symbols:
            return self.symbols[id(obj)], tuple(obj.shape), str(obj.dtype)
        if isinstance(obj, str):  # equal ones match, the same object or not
            return obj.encode()
        if isinstance(obj, type):  # a redefined one differs, whatever its name
            _classes.add(obj)
            return id(obj)
        return None


_classes: set[type] = set()
"""Kept alive, so that no other object gets the id of one."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter's messages on itself (no torchvision, skipped foldings, …)."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)


class Positional(nn.Module):
    """Any signature as one over positional tensors, whose axes are then named uniformly."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *args: Tensor):
        return self.module(*args)
