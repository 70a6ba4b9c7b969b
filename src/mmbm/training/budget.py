"""`train.minutes`: the remaining time, and what fits into it."""

import math
import time
from typing import Any

import numpy as np

from mmbm.config import Config
from mmbm.console import say
from mmbm.data.batches import Split
from mmbm.data.prepare import Data
from mmbm.inference.attributions import reported_subsets
from mmbm.inference.runners import flatten
from mmbm.training.optimizer import Schedule

READING = 0.25
"""Fraction of the time that reading cells may take; beyond it, fewer rows are read."""
MEASURING = 0.15
"""Fraction of the time that measuring the bundle may take; beyond it, fewer rows are measured."""
EXPORT, EXPORT_COLUMN, EXPORT_MEDIA = 14.0, 0.2, 2.0
"""Approximate CPU seconds for writing a bundle, and the additional ones for each column, and for
each column of media: tracing takes time for every operation of the graphs."""
BUSIEST = 4.0
"""Maximum slowdown that is assumed for a machine with other work."""
PATIENCE = 0.25
"""A network with time for less than this fraction of its steps isn't trained if there are classical
members."""
WARMING = 2
"""First steps of a network, whose time isn't representative of the others."""


class Budget:
    """Time budget of a run, from now on. Without `minutes` there is no end."""

    def __init__(self, minutes: float | None):
        self.seconds = math.inf if minutes is None else 60 * minutes
        self.begun, self.worked = time.monotonic(), time.process_time()
        self.finishing = 0.0  # seconds that are kept for writing the bundle

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.seconds)

    @property
    def end(self) -> float:
        """Deadline of training, on the monotonic clock."""
        return self.begun + self.seconds - self.finishing

    @property
    def reading(self) -> float | None:
        """Seconds for reading the table's cells."""
        return READING * self.seconds if self.bounded else None

    def left(self) -> float:
        """Seconds for what is trained."""
        return self.end - time.monotonic()

    def share(self, parts: int) -> float:
        """Deadline of the first of so many parts of the remaining time."""
        return time.monotonic() + self.left() / parts

    def slowness(self) -> float:
        """Wall-clock seconds per CPU second here, measured until now."""
        worked = max(time.process_time() - self.worked, 0.1)
        return float(np.clip((time.monotonic() - self.begun) / worked, 1.0, BUSIEST))

    def reserve(self, config: Config, data: Data, runner: Any) -> Data:
        """Reserve time for writing the bundle, and keep only as many valid and test rows as can be
        measured in it."""
        media = sum(not spec.tabular for spec in config.inputs.values())
        work = EXPORT + EXPORT_COLUMN * len(config.columns) + EXPORT_MEDIA * media
        self.finishing = work * self.slowness()
        each = seconds_per_row(data, runner)
        each *= 1 + 0.1 * len(reported_subsets(list(config.modalities())))
        splits = dict(data.splits)
        held = {split: splits[split] for split in ("valid", "test") if len(splits[split])}
        total = sum(map(len, held.values()))
        most = int(MEASURING * self.seconds / each)
        if most < total:
            splits |= {split: fewer(rows, most / total) for split, rows in held.items()}
            kept = ", ".join(f"{len(splits[s])} of {len(r)} {s} rows" for s, r in held.items())
            say(f"In {self.seconds / 60:g} minutes {kept} are measured.")
        self.finishing += each * min(most, total)
        return data._replace(splits=splits)


def seconds_per_row(data: Data, runner: Any) -> float:
    """Seconds per row of the valid split, measured."""
    rows = data.splits["valid"]
    batch = rows.gather(np.arange(min(32, len(rows)))).inputs
    for _ in range(2):  # the first time is slower
        start = time.monotonic()
        runner.run("answer", runner.run("encode", flatten(batch, data.columns)))
        took = time.monotonic() - start
    return took / min(32, len(rows))


def fewer(rows: Split, part: float) -> Split:
    """This part of them, drawn at random, the same ones each time."""
    count = max(1, int(part * len(rows)))
    kept = np.sort(np.random.default_rng(0).permutation(rows.rows)[:count])
    return Split(rows.stores, rows.inputs, rows.targets, kept)


class Pace:
    """Measures the speed of a network, and from it the number of steps that fit until `end`, on the
    monotonic clock: none if that is less than the fraction `least` of them."""

    def __init__(self, step: int, schedule: Schedule, end: float, least: float):
        self.schedule, self.end, self.least = schedule, end, least * schedule.total
        self.first, self.begun = step, time.monotonic()

    def total(self, step: int) -> int:
        """Total steps. The first ones are slower than the others, and are not counted."""
        total, now = self.schedule.total, time.monotonic()
        if step - self.first == WARMING:
            self.begun = now
        done = step - self.first - WARMING
        if math.isfinite(self.end) and (done > 0 or now > self.end):
            each = (now - self.begun) / max(done, 1)
            more = max(int((self.end - now) / each), 0) if now < self.end else 0
            total = min(total, max(step + more, 1))
            total = step if total < self.least else total
        return total
