"""`data`: the table and its split."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from mmbm.specs.base import Fraction, Spec


class SplitSpec(Spec):
    """How rows are split. A string instead of this names a column of train/valid/test."""

    valid: Fraction = 0.1
    test: Fraction = 0.2
    seed: int = 7
    group: str | None = None
    """A column; rows with the same value stay in one split."""
    time: str | None = None
    """A column; the latest rows are the test split, those before them the valid split."""
    folds: Annotated[int, Field(ge=2, le=50)] | None = None
    """Cross-validation with this many folds; `valid` is not used then."""
    then: Literal["all", "ensemble"] = "all"
    """After cross-validation: train once on all folds, or keep the models of the folds together."""

    @model_validator(mode="after")
    def _one_rule(self):
        if self.group and self.time:
            raise ValueError("split by group or by time, not both")
        if self.valid + self.test >= 1:
            raise ValueError("valid and test leave no rows to train on")
        return self


def by_rule(value: Any) -> str:
    return "column" if isinstance(value, str) else "rule"


AnySplit = Annotated[
    Annotated[str, Tag("column")] | Annotated[SplitSpec, Tag("rule")], Discriminator(by_rule)
]


class DataSpec(Spec):
    table: str
    """Path of a csv, tsv, json, jsonl, parquet, arrow or feather file, perhaps compressed (.gz,
    .bz2, .xz, .zip), or of a folder of class folders, relative to the config."""
    root: str | None = None
    """Base folder of relative media paths; the table's own folder if not given."""
    encoding: str | None = None
    """Text encoding of a csv or of JSON; if not given UTF-8, or detected and reported."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """One character; detected from the first rows of a csv if not given."""
    skip: Annotated[int, Field(ge=0)] | None = None
    """Lines of a csv above its header; detected if not given, as is a first line sep=;."""
    escape: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character before a quote that is part of a quoted cell: a backslash, as MySQL and Spark
    write it. Detected if not given; usually such a quote is doubled."""
    quote: bool = True
    """False: a quote is an ordinary character, as in many tsv files."""
    split: AnySplit = SplitSpec()
    group: str | None = None
    """A column, such as a person or a product: with a split by a column, rows with the same value
    are never in both the training and the held-out part while members are compared."""
    bad_cells: Literal["drop", "missing", "stop"] = "drop"
    """A cell that can't be decoded: drop its row, treat the cell as absent, or stop."""
    rehash: bool = False
    """Recognize unchanged media by their bytes instead of path, size and time of change. This
    includes URLs, which otherwise are not read again."""

    @property
    def rule(self) -> SplitSpec | None:
        """How rows are split; None if a column of the table defines it."""
        return self.split if isinstance(self.split, SplitSpec) else None

    @property
    def folds(self) -> int | None:
        """Number of folds of cross-validation."""
        return self.rule.folds if self.rule else None

    @property
    def keeps_folds(self) -> bool:
        """The models of all folds are kept together."""
        return bool(self.folds) and self.rule is not None and self.rule.then == "ensemble"

    @property
    def group_column(self) -> str | None:
        """The column whose rows with the same value stay together, in splits and in folds."""
        return self.rule.group if self.rule else self.group

    @model_validator(mode="after")
    def _one_group(self):
        if self.group and self.rule:
            raise ValueError(
                "group: goes with a split by a column of train, valid and test; else write split: "
                f"{{group: {self.group}}}"
            )
        return self
