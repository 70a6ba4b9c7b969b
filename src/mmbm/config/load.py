"""Reading and writing a config: YAML, overrides, paths, and errors in terms of the YAML."""

import difflib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from mmbm.config import Config, hub
from mmbm.console import stage
from mmbm.errors import ConfigError
from mmbm.integrations import packaged
from mmbm.specs.base import Outside, by_kind, component


def load(path: str | Path, overrides: list[str] | None = None) -> Config:
    """Read a YAML config; `overrides` are `a.b=value` texts, value in YAML. Raises ConfigError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no config {path}. `mmbm init TABLE --target COLUMN` writes one."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The config {path} can't be read: {error}") from error
    try:
        with stage(f"Reading {path.name}"):
            raw = yaml.load(text, Loader=Loader)
    except Twice as error:
        raise ConfigError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    with stage(f"Checking {path.name}"):
        return fetch(parse(raw, where=str(path), base=path.parent, overrides=overrides))


class Twice(yaml.YAMLError):
    """Reject a duplicate key in a mapping: YAML forbids it, and its parsers keep the last."""


class Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """At this point keys are as written in the file; later `<<` is expanded."""
        node = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in first:
                raise Twice(
                    f"line {line}: the key {key.value!r} is there already, in line "
                    f"{first[name]}. Keep one of the two."
                )
            first[name] = line
        return node


def parse(
    raw: Any, where: str = "config", base: Path | None = None, overrides: list[str] | None = None
) -> Config:
    """A checked Config from plain Python data; paths become absolute from `base`. Reads neither
    disk nor network: see `fetch`."""
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: expected keys such as data, inputs and targets.")
    for override in overrides or []:
        raw = _override(raw, override)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(where, raw, e) for e in error.errors())) from error
    return _resolve(config, (base or Path.cwd()).resolve())


def dump(config: Config) -> str:
    """The config as YAML, with every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Settings as (key, value): `train.lr`."""
    if isinstance(tree, dict) and tree:
        for name, value in tree.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    else:
        yield path, tree


def _resolve(config: Config, base: Path) -> Config:
    table = Path(os.path.normpath(base / config.data.table))
    root = base / config.data.root if config.data.root else table.parent
    data = config.data.model_copy(update={"table": str(table), "root": str(root)})
    return _renamed(config.model_copy(update={"data": data}), lambda one: _from(base, one))


def _from(base: Path, named: Outside) -> str:
    """A path resolved from `base`; a name of the Hub or of a package is returned unchanged."""
    if named.is_model and _is_name(named.value):
        return named.value
    return str(base / named.value)


def _renamed(config: Config, new: Callable[[Outside], str]) -> Config:
    inputs = {name: spec.renamed(new) for name, spec in config.inputs.items()}
    targets = {name: spec.renamed(new) for name, spec in config.targets.items()}
    return config.model_copy(update={"inputs": inputs, "targets": targets})


def _is_name(model: str) -> bool:
    """Whether it names a model of the Hub or of an installed package instead of a path."""
    return hub.is_hub_name(model) or packaged.is_package_name(model)


def folder_of(model: str) -> str:
    """The folder of a named model, fetched or imported if needed; a path is returned unchanged.
    Raises ConfigError."""
    find = packaged.folder_of if packaged.is_package_name(model) else hub.folder_of
    return find(model)


def fetch(config: Config) -> Config:
    """The config with every model that it names on the Hub, or of a package, replaced by a folder
    of the cache; missing ones are downloaded or imported. Raises ConfigError."""
    return _renamed(config, lambda one: folder_of(one.value) if one.is_model else one.value)


def _override(raw: dict, override: str) -> dict:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set {override!r}: write it as key.key=value, for example train.epochs=5."
        )
    parts = key.strip().split(".")
    try:
        parsed = yaml.load(value, Loader=Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override!r}: the value is not valid YAML: {error}") from error
    raw = dict(raw)
    node = raw
    for part in parts[:-1]:
        child = node.get(part)
        child = dict(component(child)) if isinstance(child, dict | str) else {}
        node[part] = child
        node = child
    node[parts[-1]] = parsed
    return raw


def _explain(where: str, raw: Any, error: Any) -> str:
    """One sentence per pydantic error, in terms of the YAML."""
    path = _yaml_path(raw, error["loc"], error["type"] == "missing")
    key = ".".join(path)
    kind = error["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _known_keys(raw, path[:-1]), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"{where}: unknown key {key!r}.{hint}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tags = [t.strip(" '") for t in str(error["ctx"].get("expected_tags", "")).split(",")]
        tags = ["package.module:Class" if t == "own" else t for t in tags if t]
        given = error["ctx"].get("tag")
        if given is None:
            kinds = f" ({' | '.join(tags)})" if tags else ""
            return f"{where}: {key!r} needs a kind{kinds}."
        near = difflib.get_close_matches(given, tags, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"{where}: {key!r} has no kind {given!r}; it knows {', '.join(tags)}.{hint}"
    if kind == "missing":
        return f"{where}: {key!r} is missing."
    message = error["msg"].removeprefix("Value error, ")
    given = (
        ""
        if isinstance(error["input"], dict | list | BaseModel)
        else f" (given: {error['input']!r})"
    )
    return f"{where}: {key + ': ' if key else ''}{message}{given}."


def _yaml_path(raw: Any, loc: tuple, missing: bool) -> list[str]:
    """pydantic puts union tags into `loc`; keep the YAML's keys, plus the last key if missing."""
    path: list[str] = []
    node = raw
    for i, part in enumerate(loc):
        if isinstance(node, dict) and part in node:
            path.append(str(part))
            node = node[part]
        elif isinstance(node, list) and isinstance(part, int):
            path.append(str(part))
            node = node[part] if part < len(node) else None
        elif missing and i == len(loc) - 1:
            path.append(str(part))
    return path


def _known_keys(raw: Any, path: list[str]) -> list[str]:
    """The allowed keys of the model at this place of the YAML."""
    annotation: Any = Config
    for part in path:
        raw = raw.get(part) if isinstance(raw, dict) else None
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(part)
            annotation = field.annotation if field else None
        annotation = _pick(annotation, by_kind(raw))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return []


def _pick(annotation: Any, kind: str | None) -> Any:
    """The spec of this kind in a union of specs."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    options = (
        [_pick(a, kind) for a in get_args(annotation)] if get_origin(annotation) is not dict else []
    )
    models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
    if not models:
        return annotation
    return next(
        (m for m in models if "kind" in m.model_fields and m.model_fields["kind"].default == kind),
        models[-1],
    )
