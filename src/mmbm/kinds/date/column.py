"""A date cell -> float32 [7]: days since 1970, and the phase of each cycle."""

import calendar
import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import numpy as np

from mmbm.cells.moments import Moment, Parts, of_datetime, read
from mmbm.cells.notation import ABSENT
from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.category.column import marks, name
from mmbm.kinds.column import Cell, Description, State, Storage, readable
from mmbm.kinds.date.spec import DateSpec
from mmbm.kinds.number.column import parse

CYCLES = ("month", "day of the month", "day of the year", "weekday", "time of day")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400.0
"""Seconds."""
PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
NOTHING = ABSENT | {"nat"}
LONGEST = 100
"""Characters of a date."""
CURE = "write it as ISO does, 2024-01-31 or 2024-01-31T10:30, or say how it is written: format"


class DateColumn:
    """A date or a moment -> float32 [7]: days since 1970-01-01 and the part of the day, of UTC;
    then, from 0 to 1, the elapsed part of the months of the year, the month, the year, the days of
    the week and the day, in the time zone of the options.

    State: `day_first` (whether 03/04/2024 is in April; None: no cell needs it), `mean` and `std` of
    the days (1 if constant), `count`, and `first` and `last` as ISO text.
    """

    version = 1
    not_decoding: ClassVar = frozenset({"mean", "std", "count", "first", "last"})
    storage = Storage("float32", (2 + len(CYCLES),))

    def __init__(self, spec: DateSpec, state: State | None = None):
        self.spec = spec
        self.state: State = state or {}
        self._zone = ZoneInfo(spec.timezone)
        self._missing = marks(spec.missing)

    def fit(self, cells: Iterable[Cell]) -> State:
        """Order of day and month, mean and spread. Raises ConfigError if the order is ambiguous."""
        order = Order()
        times = {True: Times(), False: Times()}  # by whether the day comes first
        for found in readable(cells, self._read):
            if isinstance(found, Parts):
                order.add(found)
            for day_first, some in times.items():
                some.add(self._days(found, day_first))
        day_first = self.spec.day_first if self.spec.day_first is not None else order.day_first()
        known = times[bool(day_first)]
        self.state = {"day_first": day_first, **known.state()}
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> float32 [7]; None if absent. Raises BadCell."""
        found = self._read(cell)
        if found is None:
            return None
        if isinstance(found, Parts):
            given = self.spec.day_first
            day_first = self.state.get("day_first") if given is None else given
            if day_first is None:
                raise BadCell(
                    f"is {found.first}/{found.second}/{found.year}, and no train row told whether "
                    "its day comes first; say so: day_first"
                )
            found = found.at(day_first)
        return self._cycles(found)

    def describe(self) -> Description:
        schema: dict[str, Any] = {"type": "string"}
        if self.state.get("count"):
            first, last = self.state["first"], self.state["last"]
            schema["examples"] = [first, last]
            said = f"A date, as ISO 8601 has it. Seen in training: from {first} to {last}."
            schema["description"] = f"{said} Without an offset: {self.spec.timezone}."
        return Description(schema, None, "text")

    def _read(self, cell: Cell) -> Moment | Parts | None:
        """None if the cell is absent. Raises BadCell."""
        if isinstance(cell, np.datetime64):
            cell = cell.astype("datetime64[us]").item()
        if cell is None or cell != cell or (self._missing and name_or_none(cell) in self._missing):
            return None
        if isinstance(cell, datetime):
            return of_datetime(cell)
        if isinstance(cell, date):
            return of_datetime(datetime(cell.year, cell.month, cell.day))
        if isinstance(cell, int | float | np.number) and not isinstance(cell, bool):
            number = parse(cell)
            return None if number is None else self._counted(number, f"{number:.17g}")
        if isinstance(cell, bytes):
            cell = cell.decode("utf-8", "replace")
        if not isinstance(cell, str):
            raise BadCell(f"is a {type(cell).__name__}, not a date")
        text = cell.strip()
        return None if text.lower() in NOTHING else self._written(text)

    def _written(self, text: str) -> Moment | Parts:
        if len(text) > LONGEST:
            raise BadCell(f"has {len(text)} characters, more than a date has")
        if self.spec.epoch:
            try:
                return self._counted(float(text), text)
            except ValueError:
                pass  # a date among numbers is read as one
        if self.spec.format is None:
            try:
                return read(text)
            except BadCell as error:
                raise BadCell(f"{error.reason}; {CURE}") from error
        try:
            return of_datetime(datetime.strptime(text, self.spec.format))
        except (ValueError, OverflowError) as error:
            raise BadCell(
                f"is {text[:40]!r}, which does not match the format {self.spec.format!r}"
            ) from error

    def _counted(self, number: float, shown: str) -> Moment:
        if self.spec.epoch is None:
            raise BadCell(f"is the number {shown[:40]} without a unit; set epoch: s, ms, us or ns")
        if not math.isfinite(number):
            raise BadCell(f"is {shown[:40]}, which is not a finite number")
        return Moment(number / PER_SECOND[self.spec.epoch], True)

    def _days(self, found: Moment | Parts, day_first: bool) -> float:
        """Of UTC; NaN where there is no such day in this order."""
        try:
            found = found.at(day_first) if isinstance(found, Parts) else found
            return float(self._cycles(found)[:2].sum(dtype=np.float64))
        except BadCell:
            return math.nan

    def _cycles(self, moment: Moment) -> np.ndarray:
        try:
            clock = EPOCH + timedelta(seconds=moment.seconds)
            local = (
                clock.astimezone(self._zone) if moment.aware else clock.replace(tzinfo=self._zone)
            )
            since = local - EPOCH
        except (OverflowError, ValueError) as error:
            raise BadCell("is of no year from 1 to 9999") from error
        days = calendar.monthrange(local.year, local.month)[1]
        year = 366 if calendar.isleap(local.year) else 365
        gone = (
            (local.month - 1) / 12,
            (local.day - 1) / days,
            (local.timetuple().tm_yday - 1) / year,
            local.weekday() / 7,
            (local.hour * 3600 + local.minute * 60 + local.second) / DAY,
        )
        whole, part = since.days, since.seconds / DAY + since.microseconds / 1e6 / DAY
        return np.array([whole, part, *gone], np.float32)


def name_or_none(cell: Any) -> str | None:
    try:
        return name(cell)
    except BadCell:
        return None


class Order:
    """Which of day and month comes first, by the numbers above 12."""

    def __init__(self):
        self.day = self.month = self.open = ""  # an example of each

    def add(self, parts: Parts) -> None:
        said = f"{parts.first}/{parts.second}/{parts.year}"
        if parts.first > 12 >= parts.second:
            self.day = self.day or said
        elif parts.second > 12 >= parts.first:
            self.month = self.month or said
        elif parts.first != parts.second:
            self.open = self.open or said

    def day_first(self) -> bool | None:
        """None: no cell needs it. Raises ConfigError."""
        if self.day and self.month:
            raise ConfigError(
                f"the day comes first in {self.day} and second in {self.month}. Write the dates in "
                "one way; with day_first: true or false the others are bad cells."
            )
        if self.open and not (self.day or self.month):
            raise ConfigError(
                f"{self.open} may be of two months, and no train row shows which number is the day."
                " Write day_first: true, or day_first: false."
            )
        return bool(self.day) if self.day or self.month else None


class Times:
    """Mean and spread of moments, in one pass (Welford 1962)."""

    def __init__(self):
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self.low, self.high = math.inf, -math.inf

    def add(self, days: float) -> None:
        if math.isnan(days):
            return
        self.count += 1
        delta = days - self.mean
        self.mean += delta / self.count
        self.squares += delta * (days - self.mean)
        self.low, self.high = min(self.low, days), max(self.high, days)

    def state(self) -> State:
        std = math.sqrt(self.squares / self.count) if self.count else 0.0
        ends = (self.low, self.high) if self.count else (0.0, 0.0)
        first, last = ((EPOCH + timedelta(round(end * DAY) / DAY)).isoformat() for end in ends)
        std = std if std > 1e-5 else 1.0  # less, a second, is rounding of a constant
        return {"mean": self.mean, "std": std, "count": self.count, "first": first, "last": last}
