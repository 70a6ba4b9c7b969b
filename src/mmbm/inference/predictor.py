"""Predictor: a bundle and the runtime of its graphs, from raw rows to values."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmbm.bundle import Bundle, foreign, open_bundle
from mmbm.config import Config
from mmbm.data.reading import Reading
from mmbm.errors import BundleError
from mmbm.inference import predict as rows_to_answers
from mmbm.inference.drift import Drift
from mmbm.inference.evaluate import build_answers
from mmbm.inference.generation import wrap_runner
from mmbm.inference.runners import Runner, difference, flatten, units
from mmbm.kinds.answer import Answer
from mmbm.kinds.column import Cell, Columns, collate
from mmbm.registry import RUNNERS, find


class Predictor:
    """An opened bundle and the runtime of its graphs, usually onnxruntime."""

    def __init__(self, bundle: Bundle, threads: int | None = None, runner: str | None = None):
        self.bundle, self.threads = bundle, threads
        self.runs_on = choose_runner(bundle.path, bundle.manifest, runner)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        verify: bool = False,
        allow: Iterable[str] = (),
        threads: int | None = None,
        runner: str | None = None,
    ) -> Self:
        """Open a bundle: hashes checked, a newer format refused. `verify` replays the golden rows.
        Raises BundleError.

        runner: `openvino` runs an ordinary bundle's ONNX graphs on OpenVINO instead of onnxruntime.
            An exported bundle names its own runner.

        A bundle may name a user's own classes; running its graphs never imports them. `allow` lists
        the packages they may be imported from where the torch model is rebuilt (`train --from`).
        """
        opened = cls(open_bundle(path, allow=allow), threads, runner)
        if verify:
            opened.verify()
        return opened

    def __repr__(self) -> str:
        inputs, targets = ", ".join(self.config.inputs), ", ".join(self.config.targets)
        return f"{type(self).__name__}({str(self.path)!r}: {inputs} -> {targets})"

    @property
    def path(self) -> Path:
        return self.bundle.path

    @property
    def config(self) -> Config:
        return self.bundle.config

    @property
    def columns(self) -> Columns:
        return self.bundle.columns

    @property
    def version(self) -> str:
        """Another bundle has another one."""
        return self.bundle.version

    def values(self, target: str) -> list[str] | None:
        """The values of a target's output, in order: see `Bundle.values`."""
        return self.bundle.values(target)

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics of the splits of its training table, in the format of `evaluate`."""
        return self.bundle.metrics

    @property
    def drift(self) -> Drift:
        """A drift monitor of the inputs, without any row so far. Raises BundleError."""
        learned = self.bundle.reference
        with foreign(self.path):
            return Drift(learned, self.config.inputs)

    @cached_property
    def runner(self) -> Runner:
        make = find(RUNNERS[self.runs_on])
        with foreign(self.path):
            runner = wrap_runner(make(self.path / "graphs", self.threads), self.config)
            self._try(runner)
        return runner

    def _try(self, runner: Runner) -> None:
        """Run one row without any cell through graphs and answers, so that mismatches are found
        here and not in a request."""
        row = {name: collate(self.columns[name].storage, [None]) for name in self.config.inputs}
        outputs = runner.run("answer", runner.run("encode", flatten(row, self.columns)))
        for name, answer in self.answers.items():
            answer.rows(outputs[name])

    @property
    def answers(self) -> dict[str, Answer]:
        return build_answers(self.config, self.columns)

    def predict(self, rows: Any, **options: Any) -> list[dict[str, Any]]:
        """Answers for a table, a list of dicts or one dict, in order: see
        `mmbm.inference.predict.predict`."""
        return list(rows_to_answers.predict(self, rows, **options))

    def generate_stream(self, row: dict[str, Cell], target: str | None = None) -> Iterator[str]:
        """Stream a row's text in pieces during generation: see
        `mmbm.inference.predict.generate_stream`."""
        return rows_to_answers.generate_stream(self, row, target)

    def evaluate(
        self, table: Any = None, split: str | None = "test", **reading: Any
    ) -> dict[str, Any]:
        """Metrics on a table, or on a split of the table the bundle was trained from. `reading` is
        root, encoding or delimiter, if the table is not read as in training."""
        return rows_to_answers.evaluate_table(self, table, split, Reading(**reading))

    def verify(self) -> int:
        """Verify the golden rows; their number. Raises BundleError if an answer changed."""
        with foreign(self.path):
            rows, expected = self.bundle.golden()
            if any(len(answer) != len(rows) for answer in expected.values()):
                raise ValueError("golden rows and their answers differ in number")
            if not rows:
                return 0
            outputs = rows_to_answers.raw_answers(self, rows)
            self._compare(outputs, expected)
            return len(rows)

    def _compare(self, outputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
        measured = units(self.config, self.columns)
        for name, tolerance in self.bundle.manifest["tolerance"].items():
            unit = measured[name]
            worst = difference(unit, outputs[name], expected[name]) * unit.std
            if not worst <= tolerance:
                raise BundleError(
                    f"{self.path}: the golden rows are answered differently than when the bundle "
                    f"was written ({name!r} moved by {worst:.2g}, tolerance {tolerance:g})."
                )


def choose_runner(path: Path, manifest: dict[str, Any], asked: str | None) -> str:
    """The requested runner, or the bundle's own. Raises BundleError if it can't run it."""
    exported = "runner" in manifest  # its graphs are made for this runner only
    own = manifest["runner"] if exported else "onnx"
    possible = [own] if exported else ["onnx", "openvino"]
    for name in (own, asked or own):
        if name not in RUNNERS:  # never looked up elsewhere: a manifest imports nothing
            raise BundleError(
                f"{path}: there is no runner {name!r}; runners: {', '.join(RUNNERS)}."
            )
    if asked and asked not in possible:
        export = f"Export it first: mmbm export {path} --to {asked}"
        cure = "Use the bundle it was exported from." if exported else export
        raise BundleError(f"{path} holds graphs for {own}, which {asked} can't run. {cure}")
    return asked or own


load = Predictor.open
