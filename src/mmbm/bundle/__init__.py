"""Bundle: one folder with all that is needed for prediction, verified when it is opened.

    manifest.json        format, versions, sha256 of every file, tolerances
    config.yaml          resolved: every default written out
    columns.json         what each column learned
    weights.safetensors
    graphs/              encode.onnx, answer.onnx; or another runner's, in an exported bundle
    golden/              a few valid rows and the trained model's answers for them
    reference.json       distribution of the inputs, for drift monitoring
    rows.safetensors     digests of its training data: see mmbm.data.overlap
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
from mmbm.kinds import column as kinds
from mmbm.kinds.category.column import shown, text
from mmbm.kinds.column import Cell, Columns

ROWS = "rows.safetensors"
"""For each split the digests of its rows, sorted uint64: see `mmbm.data.overlap`."""

FOREIGN = (
    ArithmeticError, AssertionError, AttributeError, BadCell, LookupError, MemoryError, OSError,
    RecursionError, RuntimeError, SafetensorError, TypeError, ValueError,
)  # fmt: skip
"""Exceptions that unvalidated values can raise on use."""


class Bundle:
    """The files of a bundle, opened and verified. `mmbm.inference.predictor` runs its graphs."""

    def __init__(self, files: Files, allow: frozenset[str] = frozenset()):
        self.files, self.path, self.manifest = files, files.folder, files.manifest
        self.allow = allow
        self.config: Config = read_config(files)
        states = files.json("columns.json")
        self.columns: Columns = kinds.build_all(self.config.columns, states, whole=True)
        for column in self.columns.values():
            json.dumps(column.describe(), allow_nan=False)
        self.version = sha256(self.path / MANIFEST)[:12]  # another bundle has another one

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
        """Distribution of the inputs in training: see `mmbm.inference.drift`."""
        return self.files.json("reference.json")

    def values(self, target: str) -> list[str] | None:
        """The values of a target's output, in order: classes, labels, tokens, or the columns of a
        contrastive target. None for a number."""
        spec = self.config.targets[target]
        if not spec.has_cells:
            return spec.columns
        return [text(value) for value in shown(self.columns[target].state)] or None

    def trained_rows(self) -> dict[str, np.ndarray] | None:
        """Digests of its training data, by split; None if it was written before these were kept."""
        if ROWS not in self.files:
            return None
        with foreign(self.path):
            known = load_file(self.files.path(ROWS))
            if any(rows.ndim != 1 or rows.dtype != np.uint64 for rows in known.values()):
                raise ValueError(f"{ROWS} holds no digests")
        return known

    def golden(self) -> tuple[list[dict[str, Cell]], dict[str, np.ndarray]]:
        """Raw rows kept from the valid split, and the trained model's answers."""
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
        """The golden rows as stored: media as {"file": name in golden/}."""
        name = "golden/rows.jsonl"
        lines = self.files.text(name).splitlines()
        rows = [parse_json(line, self.path / name) for line in lines]
        if not all(isinstance(row, dict) for row in rows):
            raise BundleError(f"{self.path / name} is damaged: a row is an object.")
        return rows


def open_bundle(path: str | Path, *, allow: Iterable[str] = ()) -> Bundle:
    """Open a bundle's files: hashes checked, a newer format refused. Runs nothing: see
    `mmbm.load`. allow: see there. Raises BundleError."""
    files = Files(Path(path))
    files.check()
    with foreign(files.folder):
        return Bundle(files, frozenset(allow))


@contextlib.contextmanager
def foreign(folder: Path) -> Iterator[None]:
    """Raise any error on the first use of a bundle's values as a BundleError: its files are
    unchanged since it was sealed, but not what mmbm writes."""
    try:
        yield
    except FOREIGN as error:
        why = f"{type(error).__name__}: {str(error)[:300]}"
        raise BundleError(f"{folder}: the bundle's files don't fit together ({why}).") from error


def read_config(files: Files) -> Config:
    """The bundle's config. Raises BundleError if it names an external file or model: a bundle must
    contain all it needs."""
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
    """External models and tokenizers of a config, by column. None in a bundle."""
    for column, spec in config.columns.items():
        for outside in spec.outsides():
            yield column, outside.value
