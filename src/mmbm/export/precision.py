"""ONNX graphs in a lower precision. Frontends, representations and classical members keep float32:
they are small, and sensitive to rounding."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmbm.errors import BundleError, MissingExtra
from mmbm.inference.predictor import Predictor
from mmbm.inference.runners import graphs

SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata of torch's exporter at a node: the modules it comes from."""


def convert(bundle: Predictor, folder: Path, precision: str) -> None:
    for graph in graphs(bundle.config):
        name = f"{graph}.onnx"
        external = (bundle.path / "graphs" / f"{name}.data").exists()  # more than a protobuf holds
        if precision == "float16" and external:  # the converter passes on one
            raise BundleError(
                f"{bundle.path}: the weights of {graph} are too large for the converter to "
                "float16. Choose int8, or --to openvino."
            )
        model = lower(read(bundle.path / "graphs" / name), precision)
        onnx().save(
            model, str(folder / name), save_as_external_data=external, location=f"{name}.data"
        )


def onnx() -> Any:
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtra("Export to onnx", "export") from error
    return onnx


def read(file: Path) -> Any:
    return onnx().load(str(file))


def lower(model: Any, precision: str) -> Any:
    """A model [float32] -> the same model in `precision`; inputs and outputs keep their types."""
    kept = exact(model)
    with quiet():
        if precision == "float16":
            from onnxruntime.quantization.onnx_model import ONNXModel
            from onnxruntime.transformers.float16 import convert_float_to_float16

            model = convert_float_to_float16(
                model, keep_io_types=True, node_block_list=kept, op_block_list=WIDE
            )
            ordered = ONNXModel(model)  # the converter adds casts at the end, after their use
            ordered.topological_sort()
            del ordered.model.graph.value_info[:]  # types of before
            return ordered.model
        if precision == "int8":
            return quantized(model, kept)
    return model


WIDE = ["Range", "Mod", "Pow", "ReduceSum", "Log", "Softmax"]
"""Operators that stay float32 in float16: sums over many positions overflow or lose digits."""


def quantized(model: Any, kept: list[str]) -> Any:
    """Weights as int8, one scale a channel; activations are quantized dynamically.

    Weights have 7 bits: processors without VNNI add products of two bytes in 16 bits, which would
    overflow silently and give other answers than on the machine that checked the export.
    """
    import tempfile

    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            file,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=kept,
        )
        return read(file)


EXACT = (".frontend", ".representations", ".classical")
"""Modules whose nodes keep float32."""


def exact(model: Any) -> list[str]:
    """Names of the nodes that come from these."""
    return [
        node.name
        for node in model.graph.node
        for p in node.metadata_props
        if p.key == SCOPES and any(module in p.value for module in EXACT)
    ]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the advice on preparing the model, which is for static quantization."""
    root = logging.getLogger()
    level = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)
        try:
            yield
        finally:
            root.setLevel(level)
