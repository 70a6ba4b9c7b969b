"""Options of a time series input."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from mmbm.specs.base import Fraction, Spec
from mmbm.specs.choices import EncoderSpec
from mmbm.specs.columns import MediaSpec
from mmbm.specs.encoders import RNNSpec


class SeriesAugment(Spec):
    """Random changes of a series, in training only."""

    value_dropout: Fraction = 0.0
    """The probability that a value is hidden, as if it had not been measured."""


class SeriesSpec(MediaSpec):
    """Steps in time of one or more channels, evenly spaced or not, with values that may be
    missing."""

    kind: Literal["series"] = "series"
    not_decoding: ClassVar = frozenset({"statistics"})
    time: str | None = None
    """Name of the channel of time stamps, numbers or dates. Not given: the first one, if it is
    called time, date, timestamp, hours or the like; else steps are one apart."""
    channels: Annotated[list[str], Field(min_length=1)] | None = None
    """The channels to read, by name; others are ignored. Not given: all channels of the train rows,
    and another one is a bad cell."""
    steps: PositiveInt = 1024
    """Maximum number of steps; a longer series is cropped."""
    crop: Literal["start", "end"] = "end"
    """Which steps of a longer series are kept."""
    statistics: bool = True
    """Add the mean, minimum, maximum, last value and count of each channel over the whole series to
    the encoder's input at every step."""
    max_bytes: PositiveInt = 10_000_000
    """A larger cell is refused before it is parsed."""
    augment: SeriesAugment = SeriesAugment()
    encoder: EncoderSpec = RNNSpec()

    @property
    def augments(self) -> bool:
        return self.augment != SeriesAugment()

    @model_validator(mode="after")
    def _trained_here(self):
        if self.encoder.raw:
            raise ValueError(
                f"encoder: {self.encoder.kind} reads no series; use rnn, transformer, tcn, "
                "conformer or an encoder of your own"
            )
        return self

    @property
    def longest(self) -> int:
        """Steps that are kept at most."""
        return self.steps

    def holds(self, cell: Any) -> bool:
        """Steps as lists, arrays or text, and no path or bytes of a file."""
        if isinstance(cell, str):
            text = cell.strip()
            return text[:5].lower() != "data:" and (text[:1] in ("[", "{") or "\n" in text)
        if isinstance(cell, dict):
            return not {"bytes", "path"} & set(cell)
        if isinstance(cell, list | tuple):
            return not (len(cell) == 1 and isinstance(cell[0], str | bytes))
        return hasattr(cell, "__array__") and hasattr(cell, "shape")

    def kept(self, cell: Any) -> Any:
        """A Parquet file as its columns: a bundle keeps none, since a server opens none."""
        if not (isinstance(cell, Path) and cell.suffix.lower() == ".parquet"):
            return cell
        from mmbm.kinds.series.read import of_parquet

        return of_parquet(cell, self.max_bytes).columns()
