"""LiteRT (TensorFlow Lite): graphs of a few fixed sizes; a batch is padded to one that fits."""

import json
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmbm.errors import BundleError, MissingExtra
from mmbm.inference.runners import Named

FACTS = "litert.json"


class Facts(NamedTuple):
    """Metadata that a .tflite lacks."""

    inputs: list[str]  # in the order of its arguments
    outputs: list[str]
    sizes: list[dict[str, int]]  # of axis 1 of the variable-length inputs, smallest first
    batches: list[int]  # rows, smallest first


def signature(batch: int, level: int) -> str:
    """The name of one size of a graph."""
    return f"rows_{batch}_size_{level}"


class LiteRTRunner:
    """Interpreters of a folder's graphs, opened at their first use.

    `threads` bounds the cores one call uses; None lets LiteRT choose.
    """

    def __init__(self, folder: Path, threads: int | None = None):
        self.folder, self.threads = folder, threads
        self._interpreters: dict[str, Any] = {}
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        self.facts = {graph: Facts(**fact) for graph, fact in facts.items()}
        self._lock = threading.Lock()  # an interpreter has one set of tensors

    def run(self, graph: str, arrays: Named) -> Named:
        facts = self.facts[graph]
        level = self._level(facts, arrays)
        rows, most = len(arrays[facts.inputs[0]]), facts.batches[-1]
        parts = [
            self._part(graph, level, {n: arrays[n][start : start + most] for n in facts.inputs})
            for start in range(0, rows, most)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in facts.outputs}

    def _level(self, facts: Facts, arrays: Named) -> int:
        """The smallest size that all inputs fit into."""
        for level, sizes in enumerate(facts.sizes):
            if all(arrays[name].shape[1] <= size for name, size in sizes.items()):
                return level
        name = max(facts.sizes[-1], key=lambda n: arrays[n].shape[1] - facts.sizes[-1][n])
        raise BundleError(
            f"{self.folder}: {name!r} has length {arrays[name].shape[1]}; the longest there is a "
            f"LiteRT graph for is {facts.sizes[-1][name]}."
        )

    def _part(self, graph: str, level: int, arrays: Named) -> Named:
        """At most the largest batch, through the smallest graph that it fits into."""
        facts, rows = self.facts[graph], len(next(iter(arrays.values())))
        batch = next(batch for batch in facts.batches if batch >= rows)
        with self._lock:
            runner = self._open(graph).get_signature_runner(signature(batch, level))
            details = runner.get_input_details()
            feeds = {
                f"args_{i}": padded(
                    arrays[name], batch, facts.sizes[level].get(name), details[f"args_{i}"]["dtype"]
                )
                for i, name in enumerate(facts.inputs)
                if f"args_{i}" in details
            }
            outputs = runner(**feeds)
            return {
                name: outputs[f"output_{i}"][:rows].copy() for i, name in enumerate(facts.outputs)
            }

    def _open(self, graph: str) -> Any:
        if graph not in self._interpreters:
            try:
                from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]
            except ModuleNotFoundError as error:
                raise MissingExtra("The runner litert", "litert-runner") from error
            file = str(self.folder / f"{graph}.tflite")
            self._interpreters[graph] = Interpreter(file, num_threads=self.threads)
        return self._interpreters[graph]


def padded(array: np.ndarray, batch: int, size: int | None, dtype: Any) -> np.ndarray:
    """Pad to `batch` rows, by repeating the last one, and to `size` along axis 1, by zeros. A
    float64 becomes two float32 whose sum it is, since LiteRT has no float64."""
    if array.dtype == np.float64:
        high = array.astype(np.float32)
        array = np.stack([high, (array - high).astype(np.float32)], -1)  # [B, 2]
    if size is not None and array.shape[1] < size:
        beyond = [(0, 0), (0, size - array.shape[1])] + [(0, 0)] * (array.ndim - 2)
        array = np.pad(array, beyond)
    if len(array) < batch:
        array = np.concatenate([array, np.repeat(array[-1:], batch - len(array), 0)])
    return array.astype(dtype, copy=False)
