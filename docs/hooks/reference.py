"""Reference pages from the code itself: the config's models, the commands, the public names."""

import ast
import inspect
import itertools
import re
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined


def config_page() -> str:
    """Every key of the YAML config: type, default and docstring of the pydantic models' fields."""
    from mmbm.config import Config

    lines: list[str] = []
    for title, model in walk(Config):
        lines += section(title, model)
    return "\n".join(lines)


def walk(top: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    """(title, model) of every model that a config can hold, each once, in the order of the keys."""
    found: dict[type[BaseModel], str] = {}

    def visit(model: type[BaseModel], path: str, owner: str | None) -> None:
        if model in found:
            return
        kind = kind_of(model)
        of = f" of kind `{owner}`" if owner and not kind else ""
        found[model] = f"`{path}: {kind}`" if kind else f"`{path}`{of}" if path else "Top level"
        for name, info in model.model_fields.items():
            key = f"{name}.NAME" if is_mapping(info.annotation) else name
            for child in models_of(info.annotation):
                visit(child, f"{path}.{key}".removeprefix("."), kind or owner)

    visit(top, "", None)
    return [(title, model) for model, title in found.items()]


def models_of(annotation: object) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_of(argument)


def is_mapping(annotation: object) -> bool:
    return typing.get_origin(annotation) is dict or any(
        is_mapping(argument) for argument in typing.get_args(annotation)
    )


def section(title: str, model: type[BaseModel]) -> list[str]:
    kind = kind_of(model)
    lines = [f"## {title}", ""]
    if text := own_doc(model):
        lines += [text, ""]
    docs = field_docs(model)
    rows = [
        f"| `{name}` | {kind_name(info)} | {default(info)} | {docs.get(name, '')} |"
        for name, info in model.model_fields.items()
        if name != "kind" or not kind
    ]
    if rows:
        lines += ["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]
    return lines


def kind_of(model: type[BaseModel]) -> str | None:
    """The one value of the model's `kind`, if it has one."""
    info = model.model_fields.get("kind")
    values = typing.get_args(info.annotation) if info else ()
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def own_doc(model: type[BaseModel]) -> str:
    inherited = any(model.__doc__ == base.__doc__ for base in model.__mro__[1:])
    return "" if inherited else one_line(model.__doc__ or "")


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field, of the model and the models that it is made of."""
    docs: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not (inspect.isclass(cls) and issubclass(cls, BaseModel)) or cls is BaseModel:
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
        except (OSError, TypeError):  # a model that was made at run time
            continue
        body = tree.body[0].body  # type: ignore[attr-defined]
        for field, after in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and isinstance(after.value.value, str)
            ):
                docs[field.target.id] = one_line(after.value.value)
    for name, info in model.model_fields.items():
        if info.description:
            docs[name] = one_line(info.description)
    return docs


def kind_name(info: FieldInfo) -> str:
    return cell(with_limits(type_name(info.annotation), info.metadata))


def with_limits(name: str, metadata: Iterable[object]) -> str:
    limits = ", ".join(text for item in metadata if (text := limit(item)))
    return f"{name} ({limits})" if limits else name


def type_name(annotation: object) -> str:
    """A type as a reader of YAML says it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return with_limits(type_name(arguments[0]), arguments[1:])
    if origin is typing.Literal:
        return " or ".join(f"`{value_name(v)}`" for v in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(a) for a in arguments))
    if origin in (list, tuple, set, frozenset):
        inner = dict.fromkeys(type_name(a) for a in arguments if a is not ...)
        return f"list of {' or '.join(inner)}"
    if origin is dict:
        return f"mapping of names to {type_name(arguments[1])}"
    if inspect.isclass(annotation):
        if issubclass(annotation, BaseModel):
            kind = kind_of(annotation)
            return f"`{kind}`" if kind else "mapping"
        if issubclass(annotation, Enum):
            return " or ".join(f"`{item.value}`" for item in annotation)
        plain = {
            str: "text", Path: "path", int: "integer", float: "number", bool: "true or false",
            type(None): "empty",
        }  # fmt: skip
        return plain.get(annotation, annotation.__name__)
    return "any"


def limit(item: object) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "min_length": "length ≥",
             "max_length": "length ≤"}  # fmt: skip
    inner = getattr(item, "metadata", None)  # a FieldInfo of Annotated[..., Field(ge=0)]
    if inner:
        return ", ".join(text for part in inner if (text := limit(part)))
    told = [f"{sign} {getattr(item, name)}" for name, sign in signs.items()
            if getattr(item, name, None) is not None]  # fmt: skip
    return ", ".join(told)


def default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True) if info.default_factory else info.default
    if value is PydanticUndefined:
        return "**required**"
    return cell(f"`{value_name(value)}`")


def value_name(value: object) -> str:
    """As YAML has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        changed = {
            name: getattr(value, name)
            for name, info in type(value).model_fields.items()
            if name != "kind" and info.default != getattr(value, name)
        }
        kind = kind_of(type(value))
        if kind and not changed:
            return kind
        parts = {"kind": kind, **changed} if kind else changed
        return "{" + ", ".join(f"{k}: {value_name(v)}" for k, v in parts.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_name(v) for v in value) + "]"
    return str(value)


def cli_page() -> str:
    """Every command with its arguments and options, from the typer app itself."""
    import typer.main

    from mmbm.cli import app

    lines: list[str] = []
    for name, command in sorted(commands(typer.main.get_command(app), "mmbm")):
        lines += command_section(name, command)
    return "\n".join(lines)


def commands(command, name: str):
    children = getattr(command, "commands", None)
    if not children:
        yield name, command
        return
    for child, inner in children.items():
        yield from commands(inner, f"{name} {child}")


def command_section(name: str, command) -> list[str]:
    params = [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]
    arguments = [p for p in params if p.param_type_name == "argument"]
    options = [p for p in params if p.param_type_name == "option"]
    usage = [p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments]
    usage = " ".join([name, *usage, *(["[OPTIONS]"] if options else [])])
    lines = [f"## {name}", "", one_line(command.help or ""), "", "```text", usage, "```", ""]
    rows = []
    for param in arguments + options:
        names = param.name.upper() if param in arguments else ", ".join(
            sorted([*param.opts, *param.secondary_opts], key=len)
        )  # fmt: skip
        value = "**required**" if param.required else shown_default(param)
        meaning = one_line(getattr(param, "help", "") or "")
        rows.append(f"| `{names}` | {value_type(param)} | {value} | {meaning} |")
    if rows:
        head = ["| argument or option | type | default | meaning |", "|---|---|---|---|"]
        lines += [*head, *rows, ""]
    return lines


def value_type(param) -> str:
    if getattr(param, "is_flag", False):
        return "flag"
    descriptor = getattr(param, "type_descriptor", None)  # of typer since 0.26; else click's type
    name = type_name(descriptor.annotation) if descriptor else param.type.name
    more = getattr(param, "multiple", False)
    return cell(f"{name.removeprefix('list of ')}{', repeatable' if more else ''}")


def shown_default(param) -> str:
    value = param.default
    if callable(value) or value in (None, False, (), []):
        return ""
    return cell(f"`{value_name(value)}`")


def python_page() -> str:
    """The public names of the package, for mkdocstrings to fill in."""
    import mmbm

    lines: list[str] = []
    for name, module in public_names(inspect.getsource(mmbm)).items():
        if name in mmbm.__all__:
            heading = f"mmbm.{name}"
            lines += [f"::: {module}.{name}", "    options:", f"      heading: {heading}",
                      f"      toc_label: {heading}", ""]  # fmt: skip
    return "\n".join(lines)


def public_names(source: str) -> dict[str, str]:
    """name -> the module that defines it, as the package imports it for type checkers."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    pairs = [(alias.name, node.module or "") for node in found for alias in node.names]
    return {name: module for name, module in pairs if module.startswith("mmbm")}


def one_line(text: str) -> str:
    return cell(re.sub(r"\s+", " ", text).strip())


def cell(text: str) -> str:
    """As a cell of a Markdown table."""
    return text.replace("|", "\\|")
