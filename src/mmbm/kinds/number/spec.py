"""Options of a number, as input and as target, and of the notation of numbers."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from mmbm.specs.base import Marks, Spec
from mmbm.specs.columns import InputSpec, TargetSpec, Unit


class WrittenSpec(Spec):
    """Notation of the numbers of a column whose cells are text."""

    decimal: Literal[".", ","] = "."
    """The decimal mark: "," reads 28,7."""
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    """The thousands separator; " " is any blank. Not given: 1,234.5 is read, and 1,234, which may
    be 1.234, is a bad cell."""
    unit: str | dict[str, float] | None = None
    """Unit before or after a number: "kg", "$", "%". For several units, the factor of each: {g:
    0.001, kg: 1}. Another unit is a bad cell."""
    missing: bool | Marks = True
    """Cells that mean a missing number, besides empty ones, NA, nan, null and none: ["?", "-"].
    False: an empty cell is a bad cell."""

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


class NumberSpec(WrittenSpec, InputSpec):
    kind: Literal["number"] = "number"
    not_decoding: ClassVar = frozenset({"bins"})
    drift: ClassVar = "numbers"
    encoding: ClassVar = "standardized"
    log: bool = False
    """Take sign(x)·log(1+|x|) first: for counts, prices and other long tails."""
    bins: Annotated[int, Field(ge=2, le=256)] = 16
    """Quantile bins of the piecewise-linear embedding."""


class NumberTarget(TargetSpec, WrittenSpec):
    """A number: standardized internally, predicted in its own unit."""

    kind: Literal["number"] = "number"
    not_decoding: ClassVar = frozenset({"loss"})
    shown_as: ClassVar[str] = "Number"
    decides: ClassVar[bool] = False
    task: ClassVar = "regression"
    loss: Literal["mse", "l1", "huber"] = "mse"
    log: bool = False
    bins: ClassVar[int] = 16

    def lacks(self, state: dict[str, Any]) -> str:
        return "" if state["count"] else "no number in the train split"

    def output_unit(self, state: dict[str, Any]) -> Unit:
        return Unit(state["std"], self.log)
