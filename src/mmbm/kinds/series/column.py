"""A time series cell -> float32 [T, 1 + 2C]: time, values, and a mask of present values."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from mmbm.cells.arrays import is_absent
from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.column import Cell, Description, State, Storage, readable
from mmbm.kinds.number.column import LARGEST
from mmbm.kinds.series.read import MAX_CHANNELS, Table, channel, table, times
from mmbm.kinds.series.spec import SeriesSpec

TIMES = frozenset({
    "time", "timestamp", "datetime", "date", "t", "ts", "timestep", "second", "seconds", "minute",
    "minutes", "hour", "hours", "day", "days", "ms", "milliseconds", "时间", "日期",
})  # fmt: skip
"""Names of a first channel that holds the time stamps."""
LEAST = 1e-9
"""Relative to the mean or a unit: a channel that varies less is constant."""


class SeriesColumn:
    """Steps of C channels -> float32 [T, 1 + 2C], T at least 1 and at most `steps`, in order of
    time: the time since the first step in the cell's own unit (of dates, seconds), the values (0
    where there is none), and 1 where there is a value.

    State: `channels` in order; `time`, the name of the channel of time stamps or None; `mean`,
    `std` (1 if constant) and `count` of each channel's values in train; `gap`, the mean time
    between two steps, and `duration`, of a series, both above 0; `series`, how many were seen.
    """

    version = 1
    not_decoding: ClassVar = frozenset({"mean", "std", "count", "gap", "duration", "series"})

    def __init__(self, spec: SeriesSpec, state: State | None = None):
        self.spec = spec
        self._learn(state or {})

    def fit(self, cells: Iterable[Cell]) -> State:
        """One pass: channels, their mean and spread, and how far apart steps are. Raises
        ConfigError: too many channels."""
        channels: dict[str, Spread] = {n: Spread() for n in self.spec.channels or ()}
        time, gaps, durations, series = self.spec.time, Spread(), Spread(), 0
        for found in readable(cells, self._read):
            if time is None and not series:
                time = self._time(found)
            try:
                stamps, values = self._values(found, time, list(channels) or None, grow=True)
            except BadCell:
                continue  # the quarantine lists it when it is decoded
            series += 1
            for name, one in values.items():
                channels.setdefault(name, Spread()).add(one[np.isfinite(one)])
            gaps.add(np.diff(stamps))
            durations.add(stamps[-1:] - stamps[0])
            if len(channels) > MAX_CHANNELS:
                raise ConfigError(
                    f"its series have more than {MAX_CHANNELS} channels together. Name those to "
                    "read: channels."
                )
        self._learn({
            "channels": list(channels),
            "time": time,
            "mean": [one.mean for one in channels.values()],
            "std": [one.std() for one in channels.values()],
            "count": [one.count for one in channels.values()],
            "gap": gaps.mean if gaps.mean > 0 else 1.0,
            "duration": durations.mean if durations.mean > 0 else 1.0,
            "series": series,
        })  # fmt: skip
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> float32 [T, 1 + 2C]; None if absent. Raises BadCell."""
        found = self._read(cell)
        if found is None:
            return None
        channels = self.state.get("channels", self.spec.channels)
        stamps, named = self._values(found, self.state.get("time", self.spec.time), channels)
        order = np.argsort(stamps, kind="stable")
        kept = order[-self.spec.steps :] if self.spec.crop == "end" else order[: self.spec.steps]
        nothing = np.full(len(stamps), np.nan)
        values = np.stack([named.get(name, nothing) for name in channels or named], 1)[kept]
        known = np.isfinite(values)
        since = stamps[kept] - stamps[kept[0]]
        decoded = np.concatenate([since[:, None], np.where(known, values, 0), known], 1)
        return decoded.astype(np.float32)  # [T, 1 + 2C]

    def describe(self) -> Description:
        channels = self.state.get("channels") or ["0"]
        step = {"type": ["number", "null", "array", "object"]}
        schema: dict[str, Any] = {
            "type": "array",
            "items": step,
            "description": "Steps, each an object of channels, or a list of them in order; or a "
            f"csv as text. Channels: {', '.join(channels[:20])}. At most {self.spec.steps} steps "
            "are kept.",
        }
        if self.state.get("series"):
            means = dict(zip(channels, (float(f"{x:.4g}") for x in self.state["mean"])))
            stamp = {self.state["time"]: 0} if self.state["time"] else {}
            schema["examples"] = [[{**stamp, **means}]]
        return Description(schema, "text/csv", "file")

    def _read(self, cell: Cell) -> Table | None:
        return None if is_absent(cell) else table(cell, self.spec.max_bytes)

    def _time(self, found: Table) -> str | None:
        first = found.names[0]
        named = first not in (self.spec.channels or ())
        return first if named and first.strip().lower() in TIMES else None

    def _values(
        self, found: Table, time: str | None, channels: list[str] | None, grow: bool = False
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Time stamps [T], and the channels' values [T] by name. Raises BadCell for a channel that
        isn't among `channels`, unless the options name those to read."""
        by_name = dict(zip(found.names, found.values))
        if time is None:
            stamps = np.arange(len(found.values[0]), dtype=np.float64)
        elif time in by_name:
            stamps = times(time, by_name.pop(time))
        else:
            raise BadCell(f"has no channel {time!r}, which has the time stamps of the others")
        if self.spec.channels:
            by_name = {name: by_name[name] for name in self.spec.channels if name in by_name}
        elif channels is not None and not grow and (unknown := by_name.keys() - set(channels)):
            raise BadCell(
                f"has a channel {min(unknown)!r}, which no train row had; name the channels to "
                "read (channels), or leave it out"
            )
        return stamps, {name: channel(name, x, LARGEST) for name, x in by_name.items()}

    def _learn(self, state: State) -> None:
        self.state: State = state
        channels = state.get("channels") or self.spec.channels or ["0"]
        self.storage = Storage("float32", (1 + 2 * len(channels),), ragged=True)


class Spread:
    """Mean and standard deviation of blocks of numbers (Chan et al. 1979)."""

    def __init__(self):
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, block: np.ndarray) -> None:
        if not len(block):
            return
        size, here = len(block), float(block.mean())
        delta, total = here - self.mean, self.count + size
        self.squares += float(((block - here) ** 2).sum())
        self.squares += delta * delta * self.count * size / total
        self.mean += delta * size / total
        self.count = total

    def std(self) -> float:
        std = float(np.sqrt(self.squares / self.count)) if self.count else 0.0
        return std if std > LEAST * max(1.0, abs(self.mean)) else 1.0
