"""Model card of a bundle: its inputs, outputs and metrics."""

from pathlib import Path
from typing import Any

from mmbm.config import Config
from mmbm.inference.evaluate import build_answers, warnings
from mmbm.kinds.answer import Answer
from mmbm.kinds.column import Columns

WHICH = {
    "test": "of the test split",
    "valid": "of the valid split",
    "out_of_fold": "of the train and valid splits, by members that were not trained on them",
}


def card(config: Config, columns: Columns, metrics: dict[str, Any]) -> str:
    answers = build_answers(config, columns)
    split = next((name for name in WHICH if name in metrics), None)
    report = metrics[split] if split else {}
    fusion = config.fusion.kind if config.fuses else "none"
    lines = [
        f"# {', '.join(config.inputs)} → {', '.join(config.targets)}",
        "",
        f"Trained by mmbm from `{Path(config.data.table).name}`. Fusion: {fusion}.",
        "",
        "| input | kind | encoder |",
        "|---|---|---|",
        *(
            f"| {name} | {spec.kind} | {getattr(getattr(spec, 'encoder', None), 'kind', 'table')} |"
            for name, spec in config.inputs.items()
        ),
        "",
        *(measured(config, columns, report, WHICH[split]) if split else by_fold(metrics, answers)),
        *by_member(metrics.get("members", {}), answers),
        "",
        "`mmbm predict BUNDLE TABLE` answers a table; `mmbm evaluate BUNDLE TABLE` measures it.",
        *(
            []
            if config.train.golden_rows
            else ["No golden rows were kept: serving can't be verified."]
        ),
        "",
    ]
    return "\n".join(lines)


def measured(config: Config, columns: Columns, report: dict[str, Any], which: str) -> list[str]:
    """Main metrics, those by modalities, and warnings."""
    answers = build_answers(config, columns)
    return [
        f"On {report['rows']} rows {which}:",
        "",
        "| target | metric | value | 95 % interval |",
        "|---|---|---|---|",
        *(score_line(name, answers[name].main.name, report) for name in config.targets),
        "",
        *by_subset(report, answers),
        *(f"> {warning}" for warning in warnings(report, config, columns)),
        "",
    ]


def by_fold(metrics: dict[str, Any], answers: dict[str, Answer]) -> list[str]:
    """After cross-validation of all rows, with none left to test."""
    lines = ["Over the folds of cross-validation:", "", "| target | metric | mean | deviation |"]
    lines.append("|---|---|---|---|")
    for name, scores in metrics["folds"].items():
        main = answers[name].main.name
        one = scores[main]
        lines.append(f"| {name} | {main} | {number(one['mean'])} | {number(one['spread'])} |")
    return [*lines, ""]


def by_member(members: dict[str, Any], answers: dict[str, Answer]) -> list[str]:
    """A table of the members of each target's answer."""
    lines = []
    for name, found in members.items():
        main = answers[name].main.name
        lines += [
            f"Members of {name}, on rows that they were not trained on:",
            "",
            f"| member | {main} | loss | weight | rows | parameters | ms a row |",
            "|---|---|---|---|---|---|---|",
            *(
                f"| {m['member']} | {number(m[main])} | {number(m['loss'])} | {m['weight']:.2f} "
                f"| {m['rows']} | {whole(m.get('parameters'))} | {number(m.get('milliseconds'))} |"
                for m in found
            ),
            "",
        ]
    return lines


def by_subset(report: dict[str, Any], answers: dict[str, Answer]) -> list[str]:
    """A table of the main metrics by the modalities of a row; of contrastive targets, by pairs."""
    lines = []
    parted = {n: a for n, a in answers.items() if "pairs" not in report["targets"][n]}
    if parted and report["subsets"]:
        lines = [
            "By the modalities a row has:",
            "",
            f"| modalities | {' | '.join(f'{n} {a.main.name}' for n, a in parted.items())} |",
            "|---|" + "---|" * len(parted),
            *(
                f"| {subset} | {' | '.join(number(scores.get(n)) for n in parted)} |"
                for subset, scores in report["subsets"].items()
            ),
            "",
        ]
    for name in [n for n in answers if n not in parted]:
        lines += [
            f"Found by {name}, and by chance:",
            "",
            "| from → to | recall@1 | recall@5 | recall@10 | median rank | cells |",
            "|---|---|---|---|---|---|",
            *(pair_line(*pair) for pair in report["targets"][name]["pairs"].items()),
            "",
        ]
    return lines


def pair_line(name: str, scores: dict[str, Any]) -> str:
    recalls = (
        f"{number(scores[key])} ({number(scores['chance'][key])})" for key in scores["chance"]
    )
    rank, cells = number(scores["median_rank"]), scores["candidates"]
    return f"| {name.replace('->', ' → ')} | {' | '.join(recalls)} | {rank} | {cells} |"


def score_line(name: str, metric: str, report: dict[str, Any]) -> str:
    scores = report["targets"][name]
    low, high = scores.get("interval", [None, None])
    return f"| {name} | {metric} | {number(scores.get(metric))} | {number(low)} – {number(high)} |"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
