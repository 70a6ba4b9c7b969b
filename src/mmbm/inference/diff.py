"""Compare two bundles: settings, scores on the same rows, answers, size, speed. No torch."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mmbm.config.load import leaves
from mmbm.data.batches import Split
from mmbm.data.reading import AS_TRAINED, Reading
from mmbm.errors import MmbmError
from mmbm.inference.compare import DRAWN, DRAWS, FEWEST, LEVEL
from mmbm.inference.evaluate import BATCH, collect, truths
from mmbm.inference.predict import measured
from mmbm.inference.predictor import Predictor
from mmbm.inference.runners import flatten
from mmbm.kinds.answer import Answer

EXAMPLES = 10
"""Rows with different answers that are shown."""
TIMED = 5
"""Batches that are timed; the fastest gives a bundle's speed."""
Report = dict[str, Any]


class Scored(NamedTuple):
    """A bundle's answers to some rows."""

    answer: Answer
    raw: np.ndarray  # [N, ...] the graph's output
    output: np.ndarray  # [N, ...] the result of `Answer.read`
    truth: np.ndarray  # [N, ...]
    has: np.ndarray  # [N] bool, whether the row has a true answer that the bundle knows

    def score(self, rows: np.ndarray) -> float:
        return self.answer.main_score(self.output[rows], self.truth[rows])

    def values(self) -> list[Any]:
        return [row["value"] for row in self.answer.rows(self.raw)]


def diff(
    a: Predictor,
    b: Predictor,
    table: Any = None,
    split: str | None = None,
    reading: Reading = AS_TRAINED,
) -> Report:
    """{"settings": {key: [of a, of b]}, "metrics": {split: {target: {metric: [a, b]}}}, "bytes":
    [a, b]}; with a table (all its rows or those of a split) also "rows", for each target that is
    not contrastive: `metric`, its values `a` and `b`, `difference` (b - a) with the `interval` of a
    paired bootstrap (95 %), how many answers `changed`, and `examples` of those; and "ms_per_row":
    [a, b].

    Raises MmbmError if the bundles have no target in common, or no row that both can read.
    """
    common = [name for name in a.config.targets if name in b.config.targets]
    if not common:
        raise MmbmError(
            f"{a.path} and {b.path} have no target in common: {', '.join(a.config.targets)} and "
            f"{', '.join(b.config.targets)}."
        )
    report = {
        "settings": settings(a, b),
        "metrics": {
            part: metrics(a.metrics[part], b.metrics[part], common)
            for part in ("valid", "test", "out_of_fold")
            if part in a.metrics and part in b.metrics
        },
        "bytes": [size(a), size(b)],
    }
    if table is None:
        return report
    with measured(a, table, split, reading) as ours, measured(b, table, split, reading) as theirs:
        first, second = ours.splits["test"], theirs.splits["test"]
        both = np.intersect1d(first.rows, second.rows)
        if not len(both):
            raise MmbmError(f"{table}: there is no row that both bundles can read.")
        first, second = only(first, both), only(second, both)
        alone = [name for name in common if name not in a.config.contrastive]
        one, other = scored(a, first, alone), scored(b, second, alone)
        report["rows"] = {name: compared(one[name], other[name], both) for name in alone}
        report["ms_per_row"] = [milliseconds(a, first), milliseconds(b, second)]
    return report


def settings(a: Predictor, b: Predictor) -> dict[str, list[Any]]:
    """The settings that differ, such as `train.lr`; None where there is none."""
    one, other = (dict(leaves(x.config.model_dump(mode="json"))) for x in (a, b))
    return {
        key: [one.get(key), other.get(key)]
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    }


def metrics(a: Report, b: Report, targets: list[str]) -> dict[str, dict[str, list[float]]]:
    """Numbers of two reports, paired."""
    found = {}
    for name in targets:
        one, other = a["targets"].get(name, {}), b["targets"].get(name, {})
        found[name] = {
            key: [one[key], other[key]]
            for key in one
            if key in other and isinstance(one[key], int | float)
        }
    return found


def size(bundle: Predictor) -> int:
    """Total bytes of all files."""
    return sum(file.stat().st_size for file in bundle.path.rglob("*") if file.is_file())


def only(split: Split, rows: np.ndarray) -> Split:
    return Split(split.stores, split.inputs, split.targets, rows)


def scored(bundle: Predictor, split: Split, targets: list[str]) -> dict[str, Scored]:
    whole = tuple(bundle.config.modalities())
    outputs = collect(bundle.runner, split, bundle.columns, [whole])[whole]
    known = truths(split, bundle.answers)
    answers = {name: bundle.answers[name] for name in targets}
    return {
        name: Scored(answer, outputs[name], answer.read(outputs[name]), *known[name])
        for name, answer in answers.items()
    }


def compared(a: Scored, b: Scored, numbers: np.ndarray) -> Report:
    """Report of one target. numbers: of the rows in the table, from 0."""
    ours, theirs = a.values(), b.values()
    changed = [i for i in range(len(numbers)) if not same(ours[i], theirs[i])]
    report: Report = {
        "metric": a.answer.main.name,
        "changed": len(changed),
        "examples": [
            {"row": int(numbers[i]) + 1, "a": ours[i], "b": theirs[i]} for i in changed[:EXAMPLES]
        ],
    }
    rows = np.flatnonzero(a.has & b.has)
    report["rows"] = len(rows)
    if len(rows) and a.answer.main == b.answer.main:
        report |= {"a": a.score(rows), "b": b.score(rows)}
        report["difference"] = report["b"] - report["a"]
        report["interval"] = interval(a, b, rows)
    return report


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-4, atol=1e-9))
    return a == b


def interval(a: Scored, b: Scored, rows: np.ndarray) -> list[float]:
    """Interval of b - a in the main metric, by a paired bootstrap over the rows (Efron 1979)."""
    generator = np.random.default_rng(0)
    gaps = []
    for _ in range(int(np.clip(DRAWN // len(rows), FEWEST, DRAWS))):
        drawn = generator.choice(rows, len(rows))
        gaps.append(b.score(drawn) - a.score(drawn))
    return [float(x) for x in np.nanquantile(gaps, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])]


def milliseconds(bundle: Predictor, split: Split) -> float:
    """Milliseconds per row in a batch, without reading its cells; the fastest of some batches."""
    positions = np.arange(min(BATCH, len(split)))
    cells = flatten(split.gather(positions).inputs, bundle.columns)
    seconds = []
    for _ in range(TIMED):
        start = time.perf_counter()
        bundle.runner.run("answer", bundle.runner.run("encode", cells))
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds) / len(positions)


def sentences(report: Report) -> Iterator[str]:
    """The report in words, for a terminal."""
    for key, (a, b) in report["settings"].items():
        yield f"{key}: {shown(a)} -> {shown(b)}"
    if not report["settings"]:
        yield "The settings are the same."
    for split, targets in report["metrics"].items():
        for name, values in targets.items():
            for metric, (a, b) in values.items():
                if metric != "rows" and a != b:
                    yield f"{split} {name} {metric}: {a:.4g} -> {b:.4g}"
    a, b = (size / 1e6 for size in report["bytes"])
    yield f"size: {a:.2f} MB -> {b:.2f} MB"
    for name, found in report.get("rows", {}).items():
        if "interval" in found:
            low, high = found["interval"]
            sure = "within chance" if low <= 0 <= high else "beyond chance"
            yield (
                f"{name} {found['metric']} on {found['rows']} rows: {found['a']:.4g} -> "
                f"{found['b']:.4g} ({found['difference']:+.4g}, 95 % {low:+.4g} to {high:+.4g}: "
                f"{sure})"
            )
        yield f"{name}: {found['changed']} answers differ"
        for one in found["examples"]:
            yield f"  row {one['row']}: {shown(one['a'])} -> {shown(one['b'])}"
    if "ms_per_row" in report:
        a, b = report["ms_per_row"]
        yield f"speed: {a:.3g} ms -> {b:.3g} ms a row, in a batch, without reading its cells"


def shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:80]
