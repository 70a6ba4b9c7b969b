"""What all options share: unknown keys are refused, and a kind may stand alone."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    not_decoding: ClassVar[frozenset[str]] = frozenset()
    """Options of a column that don't change what its cells decode to, besides those that its
    parents name. A change of any other option decodes the column anew."""

    def decoding(self) -> dict[str, Any]:
        """The options that change what a cell decodes to, as JSON has them."""
        parents = type(self).__mro__
        others = frozenset().union(*(vars(one).get("not_decoding", ()) for one in parents))
        return {k: v for k, v in self.model_dump(mode="json").items() if k not in others}

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


def component(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def by_kind(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "own" if isinstance(kind, str) and ":" in kind else kind


class WrittenSpec(Spec):
    """How the numbers of a column are written, where its cells are text."""

    decimal: Literal[".", ","] = "."
    """The mark before the fraction: "," reads 28,7."""
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    """The mark between thousands; " " is any blank. Not given: 1,234.5 is read, and 1,234, which
    may be 1.234, is a bad cell."""
    unit: str | dict[str, float] | None = None
    """What stands before or after a number: "kg", "$", "%". Several, with what one of each counts:
    {g: 0.001, kg: 1}. Another unit is a bad cell."""
    missing: bool | Marks = True
    """Cells that mean that there is no number, besides empty ones, NA, nan, null and none:
    ["?", "-"]. False: an empty cell is a bad cell."""

    @model_validator(mode="after")
    def _one_reading(self):
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        units = {self.unit: 1.0} if isinstance(self.unit, str) else self.unit or {}
        if any(not text.strip() or text.strip().isdigit() for text in units):
            raise ValueError("unit: is text beside a number, not empty and no digits")
        if any(not abs(factor) > 0 or abs(factor) == float("inf") for factor in units.values()):
            raise ValueError("unit: what a unit counts is a number other than 0")
        return self


class OwnSpec(BaseModel):
    """A user's own class, `package.module:Class`; all other keys are passed to it by name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})
