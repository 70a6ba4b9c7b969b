"""The artefact: one folder with all that is needed to answer, verified when it is opened.

    manifest.json        format, versions, sha256 of every file, tolerances
    config.yaml          resolved: every default written out
    columns.json         what each column learned
    weights.safetensors
    graphs/              encode.onnx, answer.onnx; or another runner's, in an exported bundle
    golden/              a few valid rows and the answers training gave for them
    reference.json       how inputs were distributed, to see whether they drift
    rows.safetensors     digests of the rows it was made from: see mmbm.data.overlap
    metrics.json · README.md

No pickle, and no name found in a bundle is imported unless the caller allows its package.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mmbm.bundle.manifest import LONG, MANIFEST, Files, parse_json, sha256
from mmbm.config import Config
from mmbm.config import load as configfile
from mmbm.errors import BadCell, BundleError
from mmbm.inference.generation import wrap_runner
from mmbm.inference.runners import Runner, difference, flatten, units
from mmbm.kinds import column as kinds
from mmbm.kinds.answer import Answer
from mmbm.kinds.category.column import shown, text
from mmbm.kinds.column import Cell, Columns
from mmbm.registry import RUNNERS, find

FOREIGN = (
    ArithmeticError, AssertionError, AttributeError, BadCell, LookupError, MemoryError, OSError,
    RecursionError, RuntimeError, SafetensorError, TypeError, ValueError,
)  # fmt: skip
"""What values that nobody checked can raise where they are used."""


class Bundle:
    """An opened bundle. `predict` and `evaluate` run its graphs, mostly on onnxruntime."""

    def __init__(
        self,
        files: Files,
        threads: int | None = None,
        allow: frozenset[str] = frozenset(),
        runner: str | None = None,
    ):
        self.files, self.path, self.manifest = files, files.folder, files.manifest
        self.threads, self.allow = threads, allow
        self.runs_on = choose_runner(self.path, self.manifest, runner)
        self.config: Config = read_config(files)
        states = files.json("columns.json")
        self.columns: Columns = kinds.build_all(self.config.columns, states, whole=True)
        for column in self.columns.values():
            json.dumps(column.describe(), allow_nan=False)
        self.version = sha256(self.path / MANIFEST)[:12]  # another bundle has another one
        self._runner: Runner | None = None

    def __repr__(self) -> str:
        inputs, targets = ", ".join(self.config.inputs), ", ".join(self.config.targets)
        return f"Bundle({str(self.path)!r}: {inputs} -> {targets})"

    @property
    def metrics(self) -> dict[str, Any]:
        found = self.files.json("metrics.json")
        if not isinstance(found, dict):
            raise BundleError(f"{self.path / 'metrics.json'} is damaged: it holds no object.")
        return found

    @property
    def reference(self) -> dict[str, Any]:
        """How inputs were distributed in training: see `mmbm.inference.drift`."""
        from mmbm.inference.drift import Drift

        learned = self.files.json("reference.json")
        with foreign(self.path):
            Drift(learned)
        return learned

    @property
    def runner(self) -> Runner:
        if self._runner is None:
            make = find(RUNNERS[self.runs_on])
            with foreign(self.path):
                self._runner = wrap_runner(make(self.path / "graphs", self.threads), self.config)
                self._try(self._runner)
        assert self._runner is not None
        return self._runner

    def _try(self, runner: Runner) -> None:
        """One row without any cell, through graphs and answers: what doesn't fit together shows
        here, and not in a request."""
        from mmbm.kinds.column import collate

        row = {name: collate(self.columns[name].storage, [None]) for name in self.config.inputs}
        outputs = runner.run("answer", runner.run("encode", flatten(row, self.columns)))
        for name, answer in self.answers.items():
            answer.rows(outputs[name])

    @property
    def answers(self) -> dict[str, Answer]:
        from mmbm.inference.evaluate import build_answers

        return build_answers(self.config, self.columns)

    def values(self, target: str) -> list[str] | None:
        """What a target's output is of, in its order: classes, labels, tokens, or the columns of a
        contrastive target. None for a number."""
        spec = self.config.targets[target]
        if not spec.has_cells:
            return spec.columns
        return [text(value) for value in shown(self.columns[target].state)] or None

    def predict(self, rows: Any, **options: Any) -> list[dict[str, Any]]:
        """Answers for a table, a list of dicts or one dict, in order: see `predict.predict`."""
        from mmbm.inference.predictor import predict

        return list(predict(self, rows, **options))

    def generate_stream(self, row: dict[str, Cell], target: str | None = None) -> Iterator[str]:
        """A row's text in pieces, while it is written: see
        `mmbm.inference.predictor.generate_stream`."""
        from mmbm.inference.predictor import generate_stream

        return generate_stream(self, row, target)

    def evaluate(
        self, table: Any = None, split: str | None = "test", **reading: Any
    ) -> dict[str, Any]:
        """Metrics on a table, or on a split of the table the bundle was trained from. `reading` is
        root, encoding or delimiter, where the table is not read as in training."""
        from mmbm.data.reading import Reading
        from mmbm.inference.predictor import evaluate_table

        return evaluate_table(self, table, split, Reading(**reading))

    def index(self, table: Any, output: str | Path, **options: Any) -> Any:
        """Embed a table's rows, to search them: see `mmbm.search.index`."""
        from mmbm.search import index

        return index(self, table, output, **options)

    def export(self, to: str, output: str | Path | None = None, **options: Any) -> Any:
        """The same model for another runtime, verified: see `mmbm.export.export`."""
        from mmbm.export import export

        return export(self, to, output, **options)

    def golden(self) -> tuple[list[dict[str, Cell]], dict[str, np.ndarray]]:
        """Raw rows kept from the valid split, and what the trained model answered."""
        rows = self.golden_rows()
        for row in rows:
            for name, value in row.items():
                if isinstance(value, dict):
                    row[name] = self.files.golden(value.get("file")).read_bytes()
        answers = self.files.json("golden/answers.json")
        expected = {name: np.array(value, np.float32) for name, value in answers.items()}
        if f"golden/{LONG}" in self.files:
            expected |= load_file(self.files.path(f"golden/{LONG}"))
        return rows, expected

    def golden_rows(self) -> list[dict[str, Any]]:
        """The golden rows as they are kept: media as {"file": name in golden/}."""
        name = "golden/rows.jsonl"
        lines = self.files.text(name).splitlines()
        rows = [parse_json(line, self.path / name) for line in lines]
        if not all(isinstance(row, dict) for row in rows):
            raise BundleError(f"{self.path / name} is damaged: a row is an object.")
        return rows

    def verify(self) -> int:
        """Answer the golden rows again; their number. Raises BundleError if an answer moved."""
        from mmbm.inference.predictor import raw_answers

        with foreign(self.path):
            rows, expected = self.golden()
            if any(len(answer) != len(rows) for answer in expected.values()):
                raise ValueError("golden rows and their answers differ in number")
            if not rows:
                return 0
            outputs = raw_answers(self, rows)
            measured = units(self.config, self.columns)
            for name, tolerance in self.manifest["tolerance"].items():
                unit = measured[name]
                worst = difference(unit, outputs[name], expected[name]) * unit.std
                if not worst <= tolerance:
                    raise BundleError(
                        f"{self.path}: the golden rows are answered differently than when the "
                        f"bundle was written ({name!r} moved by {worst:.2g}, tolerance "
                        f"{tolerance:g})."
                    )
            return len(rows)


def load(
    path: str | Path,
    *,
    verify: bool = False,
    allow: Iterable[str] = (),
    threads: int | None = None,
    runner: str | None = None,
) -> Bundle:
    """Open a bundle: hashes checked, a newer format refused. `verify` replays the golden rows.

    runner: `openvino` runs an ordinary bundle's ONNX graphs on OpenVINO instead of onnxruntime. An
        exported bundle names its own runner.

    A bundle may name a user's own classes; running its graphs never imports them. `allow` lists the
    packages they may be imported from where the torch model is rebuilt (`train --from`).
    """
    files = Files(Path(path))
    files.check()
    with foreign(files.folder):
        bundle = Bundle(files, threads, frozenset(allow), runner)
    if verify:
        bundle.verify()
    return bundle


@contextlib.contextmanager
def foreign(folder: Path) -> Iterator[None]:
    """Whatever goes wrong while values of a bundle are used for the first time is the bundle's
    fault: its files are what they were when it was sealed, but not what mmbm writes."""
    try:
        yield
    except FOREIGN as error:
        why = f"{type(error).__name__}: {str(error)[:300]}"
        raise BundleError(f"{folder}: the bundle's files don't fit together ({why}).") from error


def read_config(files: Files) -> Config:
    """The bundle's config. Raises BundleError if it names a file or a model of elsewhere: what a
    bundle needs is inside it."""
    name = "config.yaml"
    text = files.text(name)
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise BundleError(f"{files.folder / name} has an alias (*name); mmbm writes none.")
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise BundleError(f"{files.folder / name} is not valid YAML: {error}") from error
    config = configfile.parse(raw, str(files.folder / name), base=files.folder)
    for column, outside in outside_names(config):
        raise BundleError(
            f"{files.folder}: the config of {column!r} names {outside!r}, which is not part of the "
            "bundle. Nothing outside a bundle is read for it."
        )
    return config


def outside_names(config: Config) -> Iterator[tuple[str, str]]:
    """Models and tokenizers that a config takes from elsewhere, by column. None in a bundle."""
    for column, spec in config.columns.items():
        for outside in spec.outsides():
            yield column, outside.value


def choose_runner(path: Path, manifest: dict[str, Any], asked: str | None) -> str:
    """The runner that is asked for, or the bundle's own. Raises BundleError if it can't run it."""
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
