"""Options of a category, as input and as target."""

from typing import Any, ClassVar, Literal

from pydantic import PositiveInt

from mmbm.specs.base import Fraction, Marks
from mmbm.specs.columns import Counted, InputSpec, TargetSpec


class CategorySpec(InputSpec):
    kind: Literal["category"] = "category"
    drift: ClassVar = "values"
    encoding: ClassVar = "one_hot"
    min_count: PositiveInt = 1
    """Values that occur less often than this in the train split are grouped as one rare value."""
    max_values: PositiveInt = 10_000
    missing: Marks = ()
    """Cells that mean a missing value, besides empty ones: [nan, "NULL"]."""


class CategoryTarget(TargetSpec):
    """One class out of several: softmax cross-entropy."""

    kind: Literal["category"] = "category"
    not_decoding: ClassVar = frozenset({"class_weights", "label_smoothing", "decision"})
    counted: ClassVar = Counted("classes", "train rows")
    task: ClassVar = "multiclass"
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: Fraction = 0.0
    decision: Literal["likeliest", "balanced"] = "likeliest"
    """Decision rule. balanced: the class whose probability is highest relative to its frequency in
    training, for balanced accuracy and macro F1 with imbalanced classes; training sets it where
    `train.monitor` names one of these."""
    max_values: PositiveInt = 10_000
    missing: Marks = ()
    """Cells that mean an unknown class, besides empty ones: [nan, "NULL"]."""
    min_count: ClassVar[int] = 1

    def lacks(self, state: dict[str, Any]) -> str:
        values = state["values"]
        if len(values) > 1:
            return ""
        seen = f"only {values[0]!r}" if values else "no value"
        return f"{seen} in the train split; a category needs at least two classes to tell apart"
