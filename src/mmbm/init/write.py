"""Inferred -> the YAML of a config, every line explained."""

import hashlib
import os
from pathlib import Path
from typing import Any

import yaml

from mmbm import files
from mmbm.errors import ConfigError
from mmbm.init.inferred import Inferred
from mmbm.init.pretrained import Weights
from mmbm.kinds.guess import ColumnGuess

MARK = "# init: "
"""Before the fingerprint of a config that nobody has edited since."""
PRINTED = 20
"""Lines of one sort; a wide table has too many."""
HEAD = """\
# Written by `mmbm init` from {rows} rows of {table}. Change what you know better.
# Check the data: mmbm check {config}      Train: mmbm train {config}
"""


def write_config(text: str, path: Path, force: bool = False) -> bool:
    """Write a config that ends with its fingerprint. An older one is replaced only if it is as
    `mmbm init` wrote it, or with `force`; True if one was. Raises ConfigError."""
    body = f"{text}{MARK}{_fingerprint(text)}\n"
    there = path.exists()
    if there and not force:
        old = path.read_text(encoding="utf-8", errors="replace")
        written, _, mark = old.rpartition(MARK)
        if old != body and mark.strip() != _fingerprint(written):
            raise ConfigError(
                f"{path} is there already and was edited since, so it isn't written over. Name "
                f"another with -o, or write over it with --force."
            )
    files.write_text(path, body)
    return there


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def report(inferred: Inferred) -> list[str]:
    """What `mmbm init` prints: how the table was read, what was left out and why, what to look
    at."""
    out = [f"{name}: {found.why}" for name, found in inferred.left_out.items()]
    lines = [f"Left out: {line}." for line in out[:PRINTED]]
    if len(out) > PRINTED:
        lines.append(f"Left out: {len(out) - PRINTED} more columns; the config lists them.")
    notes = [f"Note: {warning}" for warning in inferred.warnings]
    encoders = [f"Pretrained: {line}" for line in _encoders(inferred)]
    return [*lines, *notes[:PRINTED], *_more(len(notes)), *encoders]


def _more(notes: int) -> list[str]:
    return [f"Note: {notes - PRINTED} more; the config lists them."] if notes > PRINTED else []


def to_yaml(inferred: Inferred, config_path: Path) -> str:
    """The text of a config at `config_path`; paths in it are relative to that file's folder."""
    table = inferred.table
    path = Path(os.path.relpath(Path(table.source).resolve(), config_path.resolve().parent))
    lines = [HEAD.format(rows=table.rows, table=path.as_posix(), config=config_path.name)]
    lines += ["data:", f"  table: {_value(path.as_posix())}"]
    if table.root.resolve() != Path(table.source).resolve().parent:
        root = os.path.relpath(table.root.resolve(), config_path.resolve().parent)
        lines.append(f"  root: {_value(Path(root).as_posix())}")
    lines += [f"  {key}: {_value(value)}" for key, value in table.read_with.items()]
    lines += _split(inferred)
    lines += ["", "inputs:", *_columns(inferred.inputs)]
    lines += [f"  # {line}" for line in _sharing(inferred)]
    if inferred.weights:
        lines += ["  # Pretrained:"]
        lines += [f"  # - {line}" for line in _encoders(inferred)]
    if inferred.left_out:
        lines += ["  # Left out:"]
        lines += [f"  # - {_left_out(name, found)}" for name, found in inferred.left_out.items()]
    if inferred.warnings:
        lines += ["  # Look at:"]
        lines += [f"  # - {warning}" for warning in inferred.warnings]
    if any(found.target_spec.fuses for found in inferred.targets.values()):
        texts = any(found.by_token for found in inferred.targets.values())
        few = "{kind: concat, dropout: 0.3}"
        fusion = "transformer" if texts else few if inferred.few else "concat"
        lines += ["", f"fusion: {fusion}"]
    lines += ["", "targets:", *_columns(inferred.targets)]
    lines += ["", f"train: {_value(inferred.train)}"]
    return "\n".join(lines) + "\n"


def _split(inferred: Inferred) -> list[str]:
    if inferred.split is not None:
        lines = [f"  split: {_value(inferred.split)}  # its column of train, valid and test"]
        if inferred.group is not None:
            why = "rows of one value are in one split: so they are in one fold"
            lines.append(f"  group: {_value(inferred.group)}  # {why}")
        return lines
    lines = ["  split: {valid: 0.1, test: 0.2, seed: 7}  # at random"]
    return lines + [f"  # {suggestion}." for suggestion in inferred.suggestions]


def _columns(found: dict[str, ColumnGuess]) -> list[str]:
    written = {f"  {_value(name)}: {_component(f)}": f.why for name, f in found.items()}
    width = min(60, max(len(line) for line in written))
    return [f"{line:<{width}}  # {why}" for line, why in written.items()]


def _left_out(name: str, found: ColumnGuess) -> str:
    back = f" To use it: {_value(name)}: {_component(found)}" if found.kind else ""
    return f"{name}: {found.why}.{back}"


def _component(found: ColumnGuess) -> str:
    return _value({"kind": found.kind, **found.options})


def _sharing(inferred: Inferred) -> list[str]:
    """Media inputs written alike may share weights."""
    first: dict[str, str] = {}
    lines = []
    for name, found in inferred.inputs.items():
        if not found.may_share or "share_weights_with" in found.options:
            continue
        other = first.setdefault(_component(found), name)
        if other != name:
            lines.append(f"{name} may share all weights with {other}: share_weights_with: {other}")
    return lines


def _encoders(inferred: Inferred) -> list[str]:
    """Which published weights encoders have, why, how large they are, and how to do without."""
    if not inferred.weights:
        return []
    inputs: dict[Weights, list[str]] = {}
    for name, weights in inferred.weights.items():
        inputs.setdefault(weights, []).append(name)
    lines = [
        f"{', '.join(names)}: encoded by {weights.title}, frozen, since train rows are few "
        f"({weights.license}; {weights.megabytes} MB of weights, twice in the bundle)."
        for weights, names in inputs.items()
    ]
    return [*lines, "Without published weights: mmbm init … --from-scratch."]


def _value(value: Any) -> str:
    """YAML in one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000
    )
    return text.removesuffix("\n").removesuffix("\n...")
