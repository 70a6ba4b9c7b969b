"""How the answers of several models on the same rows compare: metrics, paired intervals, ranks, and
the page that `bench/quality.py` writes."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from tasks import ALL, TASKS, Task, halves

DRAWS = 1000
OWN = "mmbm"
ALONE = f"{OWN} alone"
Record = dict[str, Any]
"""A line of results.jsonl: what one model answers in one cell, with one seed."""


# --- metrics -------------------------------------------------------------------------------------


def metric(task: Task, said: Record, draws: np.ndarray | None = None) -> np.ndarray:
    """The task's metric; of each draw of rows [D, N], if given. [] or [D]"""
    rows = np.arange(len(said["truth"])) if draws is None else draws
    truth, answers = np.array(said["truth"]), np.array(said["answers"])
    if task.number:
        return r_squared(*(number(task, side)[rows] for side in (truth, answers)))
    if task.metric == "auc":
        return area((truth == task.positive)[rows], np.array(said["scores"])[rows])
    right = truth == answers
    if task.metric == "accuracy":
        return right[rows].mean(-1)
    names = np.unique(truth)
    is_class = (truth == names[:, None]).astype(float)  # [C, N]
    found = (is_class * right)[:, rows].sum(-1)  # [C, …]
    with np.errstate(invalid="ignore"):
        return np.nanmean(found / is_class[:, rows].sum(-1), 0)


def number(task: Task, values: np.ndarray) -> np.ndarray:
    """Answers may be names of classes (a rating), or not there at all."""
    numbers = values.astype(float)
    return np.log(np.maximum(numbers, 1e-3)) if task.metric == "r2 of log" else numbers


def r_squared(truth: np.ndarray, answers: np.ndarray) -> np.ndarray:
    spread = ((truth - truth.mean(-1, keepdims=True)) ** 2).sum(-1)
    return 1 - ((truth - answers) ** 2).sum(-1) / np.maximum(spread, 1e-9)


def area(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Under the ROC curve: how often a positive row is ranked above a negative one."""
    ranks = rankdata(scores, axis=-1)
    count, rest = positive.sum(-1), (~positive).sum(-1)
    above = (ranks * positive).sum(-1) - count * (count + 1) / 2
    return above / np.maximum(count * rest, 1)


# --- cells ---------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """Mean over the seeds of ours less theirs, and its paired 95 % interval over the rows."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} – {self.high:+.3f})"


class Cell(NamedTuple):
    """A task at a size: what every model answered, by seed."""

    task: Task
    name: str
    size: int
    said: dict[str, dict[int, Record]]

    def like(self, ours: str) -> "Cell":
        """Only the seeds that `ours` has answered, so that means are over the same draws."""
        seeds = self.said[ours].keys() if ours in self.said else set()
        kept = {m: {s: r for s, r in by.items() if s in seeds} for m, by in self.said.items()}
        return self._replace(said={m: by for m, by in kept.items() if by})

    def failed(self, model: str) -> bool:
        return any("error" in record for record in self.said[model].values())

    def score(self, model: str) -> float:
        """Mean over the seeds; of a model that failed minus infinity."""
        if self.failed(model):
            return -np.inf
        return float(np.mean([metric(self.task, r) for r in self.said[model].values()]))

    def mean(self, model: str, key: str) -> float:
        values = [r[key] for r in self.said[model].values() if r.get(key) is not None]
        return float(np.mean(values)) if values else float("nan")

    def difference(self, ours: str, theirs: str) -> Difference | None:
        """Over the seeds that both have; None if there are none, or if one of them failed."""
        seeds = self.said[ours].keys() & self.said[theirs].keys()
        if not seeds or self.failed(ours) or self.failed(theirs):
            return None
        means, each = [], []
        for seed in seeds:
            a, b = self.said[ours][seed], self.said[theirs][seed]
            assert a["rows"] == b["rows"], f"{self.name}: {ours} and {theirs} answer other rows"
            draws = np.random.default_rng(0).integers(0, len(a["rows"]), (DRAWS, len(a["rows"])))
            means.append(float(metric(self.task, a) - metric(self.task, b)))
            each.append(metric(self.task, a, draws) - metric(self.task, b, draws))
        low, high = np.quantile(np.mean(each, 0), [0.025, 0.975])
        return Difference(float(np.mean(means)), float(low), float(high))

    def below(self, ours: str, theirs: str) -> bool:
        """Significantly; a model that gives no answer is below any that does."""
        difference = self.difference(ours, theirs)
        if difference is None:
            return self.failed(ours) and not self.failed(theirs)
        return difference.high < 0

    @property
    def yardsticks(self) -> list[str]:
        return [m for m in self.said if not m.startswith(OWN)]

    def alone(self, ours: str) -> str | None:
        """The best single modality trained alone, with the settings that `ours` has."""
        settings = ours.removeprefix(OWN)
        names = [f"{ALONE} {kind}{settings}" for kind in self.task.modalities]
        return self.best([name for name in names if name in self.said])

    def best(self, models: list[str]) -> str | None:
        return max(models, key=self.score, default=None)

    @property
    def rows(self) -> str:
        return "all" if self.size == ALL else str(self.size)


def cells(records: Iterable[Record], split: str) -> list[Cell]:
    """In the order of the tasks and of the sizes; each has what was answered last."""
    found: dict[tuple[str, int], dict[str, dict[int, Record]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for record in records:
        if record["split"] == split and record["task"] in TASKS:
            found[record["task"], record["size"]][record["model"]][record["seed"]] = record
    order = sorted(found, key=lambda k: ([*TASKS].index(k[0]), k[1] or np.inf))
    return [Cell(TASKS[name], name, size, dict(found[name, size])) for name, size in order]


# --- tables --------------------------------------------------------------------------------------


def ranks(found: list[Cell], ours: str) -> dict[str, list[float]]:
    """Places of each model in the cells that `ours` has answered, 1 the best; of the single
    modalities the best alone has one."""
    places: dict[str, list[float]] = defaultdict(list)
    for cell in answered(found, ours):
        if cell.yardsticks:
            models = [ours, *filter(None, [cell.alone(ours)]), *cell.yardsticks]
            order = rankdata([-cell.score(m) for m in models])
            for model, place in zip(models, order):
                places[ALONE if model.startswith(ALONE) else model].append(float(place))
    return dict(places)


def summary(found: list[Cell], ours: str) -> list[str]:
    """Mean ranks, and in how many cells `ours` is significantly below each other model."""
    told, places = answered(found, ours), ranks(found, ours)
    lines = [
        "| model | mean rank | cells | `mmbm` significantly below | significantly above |",
        "|---|---|---|---|---|",
    ]
    for model in sorted(places, key=lambda m: float(np.mean(places[m]))):
        below = above = "–"
        if model != ours:
            pairs = [
                (cell, other)
                for cell in told
                for other in [cell.alone(ours) if model == ALONE else model]
                if other in cell.said
            ]
            below = str(sum(cell.below(ours, other) for cell, other in pairs))
            above = str(sum(cell.below(other, ours) for cell, other in pairs))
        shown = "best single modality alone" if model == ALONE else model
        mean = float(np.mean(places[model]))
        lines.append(f"| {shown} | {mean:.2f} | {len(places[model])} | {below} | {above} |")
    worse = sum(any(cell.below(ours, y) for y in cell.yardsticks) for cell in told)
    lines += ["", f"Cells significantly below any yardstick: **{worse}** of {len(told)}."]
    return lines


def answered(found: list[Cell], ours: str) -> list[Cell]:
    """The cells that `ours` has answered, with its seeds."""
    return [cell.like(ours) for cell in found if ours in cell.said]


def head(found: list[Cell]) -> list[str]:
    """The yardsticks that any of the cells has, in the order that most have them."""
    names: dict[str, None] = {}
    for cell in found:
        names.update(dict.fromkeys(cell.yardsticks))
    return sorted(names, key=lambda n: (n.startswith("all"), n.endswith("trees")))


def shown(cell: Cell, model: str | None) -> str:
    """Score, its spread over the seeds, seconds of processor time, gigabytes."""
    if not model or model not in cell.said:
        return "–"
    if cell.failed(model):
        return next(r["error"] for r in cell.said[model].values() if "error" in r)
    scores = [float(metric(cell.task, r)) for r in cell.said[model].values()]
    spread = f" ± {np.std(scores, ddof=1):.3f}" if len(scores) > 1 else ""
    seconds, memory = (cell.mean(model, key) for key in ("processor", "megabytes"))
    parts = [f"{seconds:.0f} s"] if seconds >= 0 else []
    parts += [f"{memory / 1000:.1f} GB"] if memory >= 0 else []
    cost = f" ({', '.join(parts)})" if parts else ""
    name = model.removeprefix(ALONE).split()[0] + " " if model.startswith(ALONE) else ""
    return f"{name}{np.mean(scores):.3f}{spread}{cost}"


def table(found: list[Cell], ours: str) -> list[str]:
    """A row of a cell: ours, the best single modality, every yardstick, and how ours differs from
    the best of them. Of a trial, the default beside it too."""
    sticks, half = head(found), halves()
    alone = ["best single modality"] if any(cell.alone(ours) for cell in found) else []
    default = [OWN] if ours != OWN and any(OWN in cell.said for cell in found) else []
    columns = [ours, *default, *alone, *sticks]
    lines = [
        f"| task | half | train rows | {' | '.join(columns)} | {ours} − best yardstick |",
        "|---" * (4 + len(columns)) + "|",
    ]
    for cell in found:
        names = [ours, *default, *([cell.alone(ours)] if alone else []), *sticks]
        values = " | ".join(shown(cell, name) for name in names)
        start = f"| {cell.name}, {cell.task.metric} | {half[cell.name]} | {cell.rows} |"
        lines.append(f"{start} {values} | {verdict(cell, ours)} |")
    return lines


def verdict(cell: Cell, ours: str) -> str:
    cell = cell.like(ours)
    best = cell.best(cell.yardsticks)
    if not best:
        return "–"
    worse = [y for y in cell.yardsticks if cell.below(ours, y)]
    below = f"; **below** {len(worse)} of {len(cell.yardsticks)}" if worse else ""
    return f"{cell.difference(ours, best) or '–'}{below}"


def trial(found: list[Cell], ours: str) -> list[str]:
    """What a trial gains over the default in the cells that both have answered."""
    both = [cell for cell in found if OWN in cell.said and ours in cell.said and ours != OWN]
    gains = [(cell, gain) for cell in both if (gain := cell.difference(ours, OWN))]
    if not gains:
        return []
    lines = ["", f"| {ours} − {OWN} | train rows | difference |", "|---|---|---|"]
    lines += [f"| {cell.name} | {cell.rows} | {gain} |" for cell, gain in gains]
    mean = np.mean([gain.mean for _, gain in gains])
    better = sum(gain.mean > 0 for _, gain in gains)
    return [*lines, "", f"Mean {mean:+.4f}; better in {better} of {len(gains)} cells."]
