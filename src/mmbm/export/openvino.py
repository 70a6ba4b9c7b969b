"""ONNX -> OpenVINO's own files, graph.xml and graph.bin."""

from pathlib import Path

from mmbm.errors import MissingExtra
from mmbm.inference.predictor import Predictor
from mmbm.inference.runners import graphs
from mmbm.inference.runners.openvino import SINK


def convert(bundle: Predictor, folder: Path, precision: str) -> None:
    """`float16` halves the weights on disk; computation stays float32."""
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise MissingExtra("Export to openvino", "openvino") from error
    for graph in graphs(bundle.config):
        model = openvino.Core().read_model(bundle.path / "graphs" / f"{graph}.onnx")
        for port in model.outputs:
            port.node.friendly_name = port.node.friendly_name.removesuffix(SINK)
        openvino.save_model(model, folder / f"{graph}.xml", compress_to_fp16=precision == "float16")
