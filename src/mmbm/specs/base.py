"""Base class of all options: unknown keys are refused, and a kind may be written as a string."""

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
    """A marker of absence may be written as a number: missing: [-999]."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v
                 for v in value)  # fmt: skip


Marks = Annotated[tuple[str, ...], BeforeValidator(_as_texts)]
"""Cells that mean a missing value, compared exactly."""
Size = Literal["tiny", "small", "base"]
"""Preset of a part's width and depth; `width`, `layers` and similar keys override it one by one."""


class Outside(NamedTuple):
    """An external file or model that options name."""

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
        """`encoder: {size: tiny}` keeps the encoder's default kind."""
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
        """The nested options that belong to a part, by key."""
        return {key: value for key, value in self if isinstance(value, Spec)}

    def outsides(self) -> Iterator[Outside]:
        """The external files and models that it and its parts name."""
        if self.outside:
            yield self.outside
        for part in self.parts.values():
            yield from part.outsides()

    def renamed(self, new: Callable[[Outside], str]) -> Self:
        """A copy with other names of its external files and models."""
        update: dict[str, Any] = {key: part.renamed(new) for key, part in self.parts.items()}
        if self.outside:
            update[self.outside.key] = new(self.outside)
        return self.model_copy(update=update)

    def sealed(self) -> Self:
        """As stored in a bundle, which contains all external files and models."""
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
    """A union of options, selected by `kind`; a kind may be written as a string."""
    tagged = tuple(Annotated[spec, Tag(kind)] for kind, spec in specs.items())
    return Annotated[Union[tagged], Discriminator(by_kind), BeforeValidator(component)]  # noqa: UP007
