"""What all options share: unknown keys are refused, and a kind may stand alone."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, Union

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _as_texts(value: Any) -> Any:
    """A mark may be written as a number: missing: [-999]."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v
                 for v in value)  # fmt: skip


Marks = Annotated[tuple[str, ...], BeforeValidator(_as_texts)]
"""Cells that mean that there is nothing, letter for letter."""
Size = Literal["tiny", "small", "base"]
"""Preset of a part's width and depth; `width`, `layers` and the like override it one by one."""


class Outside(NamedTuple):
    """A file or a model of elsewhere that options name."""

    key: str
    value: str
    is_model: bool
    """A folder, or a name of the Hub or of a package; else a file."""


class Spec(BaseModel):
    foreign: ClassVar[str | None] = None
    """The user's own code that it names."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _default_kinds(cls, raw: Any) -> Any:
        """`encoder: {size: tiny}` keeps the kind that the encoder has by default."""
        if not isinstance(raw, dict):
            return raw
        kinds = {k: getattr(f.default, "kind", None) for k, f in cls.model_fields.items()}
        return {
            name: {"kind": kinds[name], **value}
            if isinstance(value, dict) and kinds.get(name) and "kind" not in value
            else value
            for name, value in raw.items()
        }

    @property
    def outside(self) -> Outside | None:
        return None

    @property
    def parts(self) -> dict[str, "Spec"]:
        """The options inside of it that are options of a part, by key."""
        return {key: value for key, value in self if isinstance(value, Spec)}

    def outsides(self) -> Iterator[Outside]:
        """What it and its parts name of elsewhere."""
        if self.outside:
            yield self.outside
        for part in self.parts.values():
            yield from part.outsides()

    def renamed(self, new: Callable[[Outside], str]) -> Self:
        """With other names of what is elsewhere."""
        update: dict[str, Any] = {key: part.renamed(new) for key, part in self.parts.items()}
        if self.outside:
            update[self.outside.key] = new(self.outside)
        return self.model_copy(update=update)

    def sealed(self) -> Self:
        """As a bundle has it: what was elsewhere is part of the bundle."""
        update: dict[str, Any] = {key: part.sealed() for key, part in self.parts.items()}
        if self.outside:
            update[self.outside.key] = None
        return self.model_copy(update=update)


def component(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def by_kind(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "own" if isinstance(kind, str) and ":" in kind else kind


def union(specs: dict[str, Any]) -> Any:
    """One of several kinds of options, chosen by its `kind`; a kind may stand alone."""
    tagged = tuple(Annotated[spec, Tag(kind)] for kind, spec in specs.items())
    return Annotated[Union[tagged], Discriminator(by_kind), BeforeValidator(component)]  # noqa: UP007
