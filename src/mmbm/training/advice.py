"""Advice on the next step, from the numbers of a training."""

from typing import Any, NamedTuple

from mmbm.config import Config
from mmbm.inference.compare import beats_prior
from mmbm.kinds.answer import Answer
from mmbm.kinds.column import Columns

MOST = 4
"""Maximum number of lines."""
FEW = 10
"""Train rows of a class below which it is hardly learned."""
UNEVEN = 0.1
"""Accuracy minus balanced accuracy from which a setting for imbalanced classes is advised."""
ENOUGH = 30
"""Rows below which a missing effect is no evidence."""
WIDE = 0.05
"""Half-width of an interval, of a score from 0 to 1, or as a fraction of an error, beyond which
more rows would help."""
Metrics = dict[str, Any]


class Advice(NamedTuple):
    rank: int  # the least come first
    text: str


def advice(
    config: Config, columns: Columns, answers: dict[str, Answer], metrics: Metrics
) -> list[str]:
    """Up to `MOST` messages, the most important first."""
    found = bad_cells(metrics)
    for name in metrics.get("members", {}):
        found += of_target(name, config, columns, answers[name], metrics)
    return [one.text for one in sorted(found)[:MOST]]


def bad_cells(metrics: Metrics) -> list[Advice]:
    rows = metrics.get("bad_cells", {}).get("rows", 0)
    if not rows:
        return []
    return [Advice(1, f"{rows} rows have cells that can't be read: see quarantine.csv of the run.")]


def of_target(
    name: str, config: Config, columns: Columns, answer: Answer, metrics: Metrics
) -> list[Advice]:
    judged = judging(name, metrics)
    if judged is None:
        return []
    prior = judged["compared"][name]["prior"]
    if not beats_prior(prior):
        return [
            Advice(
                0,
                f"{name}: nothing found, no better than always answering {prior['answer']!r}. "
                "Check that the inputs say something about it, and that each row has its target.",
            )
        ]
    return [
        *doubtful(name, metrics),
        *modalities(name, metrics),
        *classes(name, config, columns, judged),
        *more_rows(name, answer, judged),
    ]


def judging(name: str, metrics: Metrics) -> Metrics | None:
    """The report with the most rows on which this target is compared."""
    reports = [metrics[s] for s in ("out_of_fold", "test", "valid") if s in metrics]
    reports = [report for report in reports if name in report.get("compared", {})]
    return max(reports, key=lambda report: report["targets"][name]["rows"], default=None)


def doubtful(name: str, metrics: Metrics) -> list[Advice]:
    rows = metrics.get("doubtful", {}).get(name, [])
    if not rows:
        return []
    shown = ", ".join(map(str, rows))
    return [Advice(2, f"{name}: look at rows {shown}, whose {name} looks wrong or is hard to see.")]


def modalities(name: str, metrics: Metrics) -> list[Advice]:
    """Modalities that lower the score, and those without a measurable effect."""
    report = next((metrics[s] for s in ("test", "valid") if s in metrics), {})
    compared = report.get("compared", {}).get(name, {})
    said = []
    for modality, without in compared.get("without", {}).items():
        if without["gain"][1] < 0:
            text = f"{name}: without {modality} the answers are better; leave it out."
            said.append(Advice(3, text))
        elif without["gain"][0] <= 0 and tells_nothing(name, modality, metrics):
            text = f"{name}: {modality} tells nothing that {report['rows']} rows can show."
            said.append(Advice(6, text))
    return said


def tells_nothing(name: str, modality: str, metrics: Metrics) -> bool:
    """Neither the answer from this modality alone nor a member that reads it alone is better than a
    constant answer, on enough rows to show it."""
    report = next((metrics[s] for s in ("test", "valid") if s in metrics), {})
    alone = report.get("compared", {}).get(name, {}).get("alone", {}).get(modality)
    reading = (f"linear {modality}", f"network {modality} alone")
    members = [m for m in metrics.get("members", {}).get(name, []) if m["member"] in reading]
    enough = report.get("rows", 0) >= ENOUGH and all(m["rows"] >= ENOUGH for m in members)
    found = [*members, *([alone] if alone else [])]
    return enough and bool(found) and not any(one.get("beats_prior", True) for one in found)


def classes(name: str, config: Config, columns: Columns, judged: Metrics) -> list[Advice]:
    """Imbalanced classes, rare classes, and the one with the lowest recall."""
    spec = config.targets[name]
    if spec.task != "multiclass":
        return []
    state, scores, said = columns[name].state, judged["targets"][name], []
    counts = dict(zip(state["values"], state["counts"]))
    rare = scores["balanced_accuracy"]
    if spec.decision == "likeliest" and scores["accuracy"] - rare > UNEVEN:
        top = max(counts, key=lambda value: counts[value])
        said.append(
            Advice(
                4,
                f"{name}: uneven classes ({top} is {counts[top] / sum(counts.values()):.0%}), "
                f"balanced accuracy {rare:.2f}: if rare ones count as much, "
                f"train: {{monitor: {name}.balanced_accuracy}}.",
            )
        )
        return said
    few = [value for value, rows in counts.items() if rows < FEW]
    weak = judged["compared"][name].get("weakest")
    if len(few) == len(counts):
        return [Advice(5, f"{name}: label more rows; no class has {FEW} of them.")]
    if few:
        shown = ", ".join(f"{value} ({counts[value]})" for value in few[:3])
        more = f" and {len(few) - 3} more" if len(few) > 3 else ""
        said.append(Advice(5, f"{name}: label more rows of {shown}{more}."))
    if weak and weak["class"] not in few:
        said.append(
            Advice(
                5,
                f"{name}: of {weak['rows']} rows of {weak['class']} {weak['recall']:.0%} are "
                "found, fewer than of all beyond chance: label more of them.",
            )
        )
    return said


def more_rows(name: str, answer: Answer, judged: Metrics) -> list[Advice]:
    """A wide interval."""
    scores = judged["targets"][name]
    low, high = scores["interval"]
    half, unit = (high - low) / 2, 1.0 if answer.main.higher_is_better else scores[answer.main.name]
    if half <= WIDE * unit:
        return []
    return [
        Advice(
            7,
            f"{name}: {answer.main.name} is known to ±{half:.2g} from {scores['rows']} rows; four "
            "times as many would halve that.",
        )
    ]
