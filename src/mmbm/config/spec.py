"""What all options share: unknown keys are refused, and a kind may stand alone."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Size = Literal["tiny", "small", "base"]
"""Preset of a part's width and depth; `width`, `layers` and the like override it one by one."""


class Spec(BaseModel):
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


def component(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def by_kind(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "own" if isinstance(kind, str) and ":" in kind else kind


class OwnSpec(BaseModel):
    """A user's own class, `package.module:Class`; all other keys are passed to it by name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})
