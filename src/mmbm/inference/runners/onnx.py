"""onnxruntime: the runner of a bundle on a machine without torch."""

from pathlib import Path

import numpy as np

from mmbm.errors import BundleError
from mmbm.inference.runners import Named


class OnnxRunner:
    """Sessions over the graphs of a folder, opened at their first use.

    `threads` bounds the cores one call uses; None lets onnxruntime take all.
    """

    def __init__(self, folder: Path, threads: int | None = None):
        self.folder, self.threads = folder, threads
        self._sessions: dict = {}

    def run(self, graph: str, arrays: Named) -> Named:
        session, inputs, outputs = self._sessions.get(graph) or self._open(graph)
        try:
            results = session.run(outputs, {name: arrays[name] for name in inputs})
        except (KeyError, *_errors()) as error:
            file = self.folder / f"{graph}.onnx"
            raise BundleError(f"{file} can't be run on these rows: {str(error)[:500]}") from error
        return dict(zip(outputs, map(np.asarray, results)))

    def _open(self, graph: str):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # its warnings are about its own optimisations
        # Threads that spin while waiting take the cores from decoding and from other sessions.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self.threads:
            options.intra_op_num_threads = self.threads
        file = str(self.folder / f"{graph}.onnx")
        try:
            session = onnxruntime.InferenceSession(
                file, options, providers=["CPUExecutionProvider"]
            )
        except _errors() as error:
            raise BundleError(
                f"{file} is no graph that onnxruntime {onnxruntime.__version__} can run: {error}. "
                "Copy the bundle again, or upgrade: pip install -U onnxruntime"
            ) from error
        inputs = [i.name for i in session.get_inputs()]
        self._sessions[graph] = session, inputs, [o.name for o in session.get_outputs()]
        return self._sessions[graph]


def _errors() -> tuple[type[Exception], ...]:
    """onnxruntime's exceptions: classes without a common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # type: ignore

    return (
        state.EPFail, state.EngineError, state.Fail, state.InvalidArgument, state.InvalidGraph,
        state.InvalidProtobuf, state.NoModel, state.NoSuchFile, state.NotImplemented,
        state.RuntimeException,
    )  # fmt: skip
