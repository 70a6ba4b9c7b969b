"""Options of labels, as input and as target."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from mmbm.specs.base import Marks
from mmbm.specs.columns import Counted, InputSpec, TargetSpec


class LabelsSpec(InputSpec):
    kind: Literal["labels"] = "labels"
    drift: ClassVar = "values"
    separator: Annotated[str, Field(min_length=1)] = ";"
    """Separator of labels in a cell that is one string; a list in a cell needs none."""
    format: Literal["separated", "list"] = "separated"
    """list: a string is a list as Python, JSON or numpy write it, "['a', 'b']"."""
    missing: Marks = ()
    """Cells that mean unknown labels, besides empty ones: [nan, "NULL"]."""
    min_count: PositiveInt = 1


class LabelsTarget(TargetSpec):
    """Any number of labels: one binary cross-entropy each."""

    kind: Literal["labels"] = "labels"
    not_decoding: ClassVar = frozenset({"threshold"})
    shown_as: ClassVar[str] = "Textbox"
    counted: ClassVar = Counted("classes", "train rows")
    task: ClassVar = "multilabel"
    separator: Annotated[str, Field(min_length=1)] = ";"
    format: Literal["separated", "list"] = "separated"
    """list: a string is a list as Python, JSON or numpy write it, "['a', 'b']"."""
    missing: Marks = ()
    """Cells that mean unknown labels, besides empty ones: [nan, "NULL"]."""
    empty: Literal["unknown", "none"] = "unknown"
    """Meaning of an empty cell (of a csv; null elsewhere): its labels are unknown, so that the row
    is not trained on; or none applies. An empty text or list in other formats means none."""
    min_count: PositiveInt = 1
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def lacks(self, state: dict[str, Any]) -> str:
        return "" if state["values"] else "no label in the train split"

    def about_empty(self) -> str:
        return "that no label applies: empty: none" if self.empty == "unknown" else ""
