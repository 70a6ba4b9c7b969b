"""Writing a bundle: in a temporary place, verified, then moved."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from mmbm import files
from mmbm.bundle.manifest import FORMAT, LONG, MANIFEST, sha256
from mmbm.config import Config
from mmbm.config import load as configfile
from mmbm.data.reading import root_rule
from mmbm.kinds.column import Columns

ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}")
"""Characters of a media file's name that a golden row's file keeps."""


class Media(NamedTuple):
    """The content of a golden row's media cell, and the extension of its file."""

    data: bytes
    suffix: str = ""


def save(
    path: Path,
    config: Config,
    columns: Columns,
    fill: Callable[[Path], dict[str, Any]],
    golden: tuple[list[dict[str, Any]], dict[str, np.ndarray]],
    reference: dict[str, Any],
    tolerance: dict[str, float],
    card: Callable[[dict[str, Any]], str],
    check: Callable[[Path], Any],
) -> None:
    """Write a bundle next to its place, answer its golden rows as its server will, then move it
    there: it is whole and verified, or absent.

    `fill(folder)` writes weights and graphs and returns the metrics; `card(metrics)` is the card;
    `check(folder)` raises BundleError if the golden rows are answered otherwise.
    """
    portable = config.model_copy(
        update={
            "data": config.data.model_copy(
                update={"table": Path(config.data.table).name, "root": root_rule(config)}
            )
        }
    )
    with files.written_folder(path) as part:
        (part / "golden").mkdir()
        _text(part / "config.yaml", configfile.dump(_without_files(portable)))
        states = {name: column.state for name, column in columns.items()}
        _text(part / "columns.json", json.dumps(states, ensure_ascii=False))
        _write_golden(part / "golden", *golden)
        _text(part / "reference.json", json.dumps(reference))
        metrics = fill(part)
        _text(part / "metrics.json", json.dumps(metrics, indent=1, ensure_ascii=False))
        _text(part / "README.md", card(metrics))
        seal(part, config, tolerance)
        check(part)


def seal(folder: Path, config: Config, tolerance: dict[str, float], **more: Any) -> None:
    """Write the manifest of a folder that is otherwise complete."""
    from mmbm import __version__

    listed = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    manifest = {
        "format": FORMAT,
        "mmbm": __version__,
        "requires": foreign_names(config),
        **more,
        "tolerance": tolerance,
        "files": {str(p.relative_to(folder).as_posix()): sha256(p) for p in listed},
    }
    _text(folder / MANIFEST, json.dumps(manifest, indent=1))


def _without_files(config: Config) -> Config:
    """Tokenizers and configs of pretrained models are part of columns.json from now on."""
    inputs = {name: spec.sealed() for name, spec in config.inputs.items()}
    targets = {name: spec.sealed() for name, spec in config.targets.items()}
    return config.model_copy(update={"inputs": inputs, "targets": targets})


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_golden(folder: Path, rows: list[dict[str, Any]], answers: dict[str, np.ndarray]) -> None:
    lines = []
    for i, row in enumerate(rows):
        kept: dict[str, Any] = {}
        for j, (name, cell) in enumerate(row.items()):
            if isinstance(cell, bytes):
                cell = Media(cell)
            if isinstance(cell, Media):
                file = f"{i}-{j}{cell.suffix if ENDING.fullmatch(cell.suffix) else ''}"
                (folder / file).write_bytes(cell.data)
                kept[name] = {"file": file}
            else:
                kept[name] = cell
        lines.append(json.dumps(kept, ensure_ascii=False))
    _text(folder / "rows.jsonl", "\n".join(lines))
    long = {name: np.ascontiguousarray(a) for name, a in answers.items() if a.ndim > 2}
    short = {name: answer.tolist() for name, answer in answers.items() if name not in long}
    _text(folder / "answers.json", json.dumps(short))
    if long:
        save_file(long, folder / LONG)


def foreign_names(config: Config) -> list[str]:
    """The user's own classes that a config names."""
    encoders = [getattr(spec, "encoder", None) for spec in config.inputs.values()]
    return [encoder.foreign for encoder in encoders if encoder and encoder.foreign]
