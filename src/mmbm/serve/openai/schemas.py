"""JSON schemas: which targets one requests, and whether every possible answer is valid."""

from collections.abc import Sequence
from typing import Any

from mmbm.inference.predictor import Predictor
from mmbm.kinds.category.column import shown
from mmbm.serve.limits import RequestError
from mmbm.serve.openai.requests import no

TYPES = {"multiclass": "string", "regression": "number", "multilabel": "array"}
"""JSON type of a target of each task; any other is a string."""
OF_CLASSES = {bool: "boolean", int: "integer", float: "number", str: "string"}
"""A category is answered in the type of its cells."""
NOTES = {"title", "description", "default", "examples"}
"""Annotations without constraints."""


def schema_targets(bundle: Predictor, targets: list[str], schema: dict[str, Any]) -> list[str]:
    """The targets that a schema requests, all if it names none. Raises a RequestError if some
    answer of the model would not be valid by it."""
    words = {"type", "properties", "required", "additionalProperties", "$defs"}
    known(schema, words, "object", "the schema")
    parts, needed = schema.get("properties", {}), schema.get("required", [])
    defs = schema.get("$defs", {})
    if not (isinstance(parts, dict) and isinstance(needed, list) and isinstance(defs, dict)):
        raise unfit("properties and $defs are objects, required is a list")
    for name in [*parts, *needed]:
        if name not in targets:
            raise unfit(f"{str(name)[:100]!r} is no target; targets: {', '.join(targets)}")
    chosen = [name for name in targets if name in parts or name in needed] or targets
    if schema.get("additionalProperties", True) is not True and not set(chosen) <= set(parts):
        raise unfit("what is answered is to be among the properties")
    for name, part in parts.items():
        task = bundle.config.targets[name].task
        classes = (
            shown(bundle.columns[name].state) if task in ("multiclass", "multilabel") else None
        )
        of_class = OF_CLASSES[type(classes[0])] if classes else "string"
        as_json = of_class if task == "multiclass" else TYPES.get(task, "string")
        promise(name, part, as_json, classes, defs, of_class)
    return chosen


def promise(
    name: str, part: Any, kind: str, classes: Sequence[Any] | None, defs: dict, item: str = "string"
) -> None:
    """Raises a RequestError if not every answer is valid by a property; `classes` are all possible
    ones, and those of a list are each an `item`."""
    if isinstance(part, dict) and "$ref" in part:  # pydantic writes enums so
        named = str(part["$ref"])
        part = defs.get(named.removeprefix("#/$defs/"))
        if part is None:
            raise unfit(f"{named[:100]!r} leads nowhere")
    known(part, {"type", "items"} if kind == "array" else {"type", "enum"}, kind, name)
    if kind == "array":
        promise(name, part.get("items", {}), item, classes, defs)
    elif "enum" in part:
        listed = part["enum"]
        if classes is None or not isinstance(listed, list):
            raise unfit(f"{name}: answers can't be listed")
        if missing := [one for one in classes if not any(same(one, x) for x in listed)]:
            raise unfit(f"{name}: its enum lacks {missing[0]!r}, which may be the answer")


def known(part: Any, words: set[str], kind: str, where: str) -> None:
    if not isinstance(part, dict):
        raise unfit(f"{where}: is no object")
    if strange := sorted(set(part) - NOTES - words):
        raise unfit(f"{where}: {strange[0][:100]!r} can't be promised")
    types = part.get("type", kind)
    types = types if isinstance(types, list) else [types]
    if kind not in types and not (kind == "integer" and "number" in types):
        raise unfit(f"{where}: its type is {kind}")


def same(one: Any, other: Any) -> bool:
    """JSON equality, where true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def unfit(why: str) -> RequestError:
    return no("response_format", f"json_schema: {why}", "json_schema")
