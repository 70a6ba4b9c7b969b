"""A torch module -> an ONNX file whose named inputs and outputs keep their dynamic axes."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from mmbm.errors import BundleError

Axes = dict[int, torch.export.Dim]
SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata of a node: the modules it comes from, outermost first."""


def to_onnx(
    module: nn.Module,
    args: dict[str, Tensor],
    axes: dict[str, Axes],
    outputs: list[str],
    path: str | Path,
) -> None:
    """Write `module(*args.values())`, a tuple of tensors called `outputs`, to `path`.

    args: an example of every input by name; at least two rows, and a length that is still two
        or more after all strides, since an axis of 1 would be taken for a constant.
    axes: the dynamic axes of each input, axis -> Dim.
    """
    module.eval()
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            Positional(module),
            tuple(args.values()),
            dynamo=True,
            opset_version=20,
            dynamic_shapes=(tuple(axes.get(name, {}) for name in args),),
            input_names=list(args),
            output_names=outputs,
            verbose=False,
        )
    assert program is not None  # dynamo=True returns one
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
    for node in program.model.graph:  # of how each node came about, only which module it is of:
        scopes = node.metadata_props.get(SCOPES)  # the rest has paths of this machine
        node.metadata_props.clear()
        if scopes:
            node.metadata_props[SCOPES] = scopes
    program.save(str(path), external_data=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's notes on itself (no torchvision, skipped foldings, deprecations)."""
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
    """Any signature as one over positional tensors, whose axes are then named in one way."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *args: Tensor):
        return self.module(*args)
