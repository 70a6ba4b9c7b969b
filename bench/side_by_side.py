"""Time two ways of doing the same, turn by turn, and say how they compare.

A machine that others use too is never twice equally fast; two things timed in turns (A B A B …)
meet the same disturbances, so the ratio of each turn is steady where the times are not.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Ratio(NamedTuple):
    """How `ours` compares with `theirs`: the median of the turns, and the middle half of them."""

    name: str
    ratio: float
    low: float  # first quartile
    high: float  # third quartile
    processor: (
        float | None
    )  # the same ratio in processor time: others on the machine don't touch it
    promised: float | None  # at least this
    unit: str
    ours: float  # median
    theirs: float  # median


def speed(
    name: str,
    ours: Callable[[int], object],
    theirs: Callable[[int], object],
    work: float,
    unit: str,
    promised: float | None = None,
    turns: int = 9,
    warmup: int = 1,
    inside: bool = True,
) -> Ratio:
    """Work per second of `ours` over that of `theirs`; each is called with the turn's number.

    inside: the work is done by this process, so that its processor time tells something.
    """
    pairs, used = [], []
    for turn in range(warmup + turns):
        swap = turn % 2  # who goes second finds caches warm
        both = [(theirs, 1), (ours, 0)] if swap else [(ours, 0), (theirs, 1)]
        pair, spent = [0.0, 0.0], [0.0, 0.0]
        for call, place in both:
            start, processor = time.perf_counter(), time.process_time()
            call(turn)
            spent[place] = time.process_time() - processor
            pair[place] = work / (time.perf_counter() - start)
        if turn >= warmup:
            pairs.append(pair)
            used.append(spent)
    ratios = [a / b for a, b in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    processor = statistics.median(b / a for a, b in used) if inside else None
    return Ratio(name, middle, low, high, processor, promised, unit, a, b)


def options(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    return parser


def show(title: str, ratios: list[Ratio], as_json: bool) -> None:
    """A table for people, or one JSON line."""
    if as_json:
        print(json.dumps({"title": title, "ratios": [r._asdict() for r in ratios]}))
        return
    wide = max(len(r.name) for r in ratios)
    print(title)
    for r in ratios:
        cpu = " " * 11 if r.processor is None else f"  cpu {r.processor:.3f}"
        promise = "" if r.promised is None else f"  promised ≥ {r.promised:.2f}"
        print(
            f"  {r.name:<{wide}}  {r.ratio:.3f} ({r.low:.3f} – {r.high:.3f}){cpu}{promise}  "
            f"{r.ours:,.4g} against {r.theirs:,.4g} {r.unit}"
        )
