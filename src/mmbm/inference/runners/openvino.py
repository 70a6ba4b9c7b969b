"""OpenVINO: its own graphs in an exported bundle, or the ONNX graphs of an ordinary one."""

import threading
from pathlib import Path
from typing import Any

from mmbm.errors import MissingExtra
from mmbm.inference.runners import Named

SINK = "/sink_port_0"
"""OpenVINO's suffix of an output name that comes from ONNX."""


class OpenVINORunner:
    """Models compiled for the processor at their first use, in float32.

    `threads` bounds the cores one call uses; None lets OpenVINO take all.
    """

    def __init__(self, folder: Path, threads: int | None = None):
        self.folder, self.threads = folder, threads
        self._compiled: dict[str, Any] = {}
        self._lock = threading.Lock()  # a compiled model has one request, which runs one batch

    def run(self, graph: str, arrays: Named) -> Named:
        with self._lock:
            compiled, inputs, outputs = self._compiled.get(graph) or self._open(graph)
            results = compiled([arrays[name] for name in inputs], share_inputs=False)
            return {name: results[i].copy() for i, name in enumerate(outputs)}

    def _open(self, graph: str):
        try:
            import openvino
        except ModuleNotFoundError as error:
            raise MissingExtra("The runner openvino", "openvino") from error
        # Some processors would compute in bfloat16 by default, which changes answers.
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if self.threads:
            options["INFERENCE_NUM_THREADS"] = self.threads
        file = self.folder / f"{graph}.xml"
        model = openvino.Core().read_model(file if file.exists() else file.with_suffix(".onnx"))
        inputs = [port.node.friendly_name for port in model.inputs]
        outputs = [port.node.friendly_name.removesuffix(SINK) for port in model.outputs]
        self._compiled[graph] = openvino.compile_model(model, "CPU", options), inputs, outputs
        return self._compiled[graph]
