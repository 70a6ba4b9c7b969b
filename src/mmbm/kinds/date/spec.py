"""Options of a date input."""

from typing import ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from pydantic import model_validator

from mmbm.specs.base import Marks
from mmbm.specs.columns import InputSpec


class DateSpec(InputSpec):
    """A date or a moment: its position in the year, the month, the week and the day, and linear
    time."""

    kind: Literal["date"] = "date"
    not_decoding: ClassVar = frozenset({"linear"})
    drift: ClassVar = "numbers"
    timezone: str = "UTC"
    """Name of a time zone, such as Europe/Berlin. A cell with an offset from UTC is converted to
    this zone; one without is local time of this zone. Hours and weekdays are those of this zone."""
    day_first: bool | None = None
    """Whether 03/04/2024 is in April. Not given: decided by train rows with a number above 12, or
    refused if there are none."""
    format: str | None = None
    """Format of texts that are not in a format read by default: "%d%m%Y %Hh%M", in the codes of
    Python's strptime."""
    epoch: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of numbers, which count from 1970-01-01 UTC. Not given: a number is a bad cell."""
    linear: bool = True
    """Learn from linear time too, in addition to the cycles. Linear time helps where things change
    slowly; it gives no information on rows later than all of training."""
    missing: Marks = ()
    """Cells that mean a missing date, besides empty ones, NA, NaT, nan, null and none."""

    @model_validator(mode="after")
    def _known_zone(self):
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"timezone: there is no time zone {self.timezone!r} here; write a name such as "
                "UTC or Europe/Berlin (without a system's list of them: pip install tzdata)"
            ) from error
        return self

    def measured(self, values: np.ndarray) -> np.ndarray:
        """Drift is measured in linear time. [B, 7] -> days [B]"""
        return values[:, :2].sum(1, dtype=np.float64)
