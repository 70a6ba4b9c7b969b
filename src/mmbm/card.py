"""The model card of a bundle: what it takes, what it answers, how good it was."""

from pathlib import Path
from typing import Any

from mmbm.columns import Columns
from mmbm.config import Config
from mmbm.evaluate import build_answers, warnings


def card(config: Config, columns: Columns, metrics: dict[str, Any]) -> str:
    answers = build_answers(config, columns)
    split = "test" if "test" in metrics else "valid"
    report = metrics[split]
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
        f"On {report['rows']} rows of the {split} split:",
        "",
        "| target | metric | value | 95 % interval |",
        "|---|---|---|---|",
        *(score_line(name, answers[name].main.name, report) for name in config.targets),
        "",
        "By the modalities a row has:",
        "",
        f"| modalities | {' | '.join(f'{n} {a.main.name}' for n, a in answers.items())} |",
        "|---|" + "---|" * len(answers),
        *(
            f"| {subset} | {' | '.join(number(scores.get(n)) for n in answers)} |"
            for subset, scores in report["subsets"].items()
        ),
        "",
        *(f"> {warning}" for warning in warnings(report, config, columns)),
        "",
        "`mmbm predict BUNDLE TABLE` answers a table; `mmbm evaluate BUNDLE TABLE` measures it.",
        *([] if config.train.golden else ["No golden rows were kept: serving can't be verified."]),
        "",
    ]
    return "\n".join(lines)


def score_line(name: str, metric: str, report: dict[str, Any]) -> str:
    scores = report["targets"][name]
    low, high = scores.get("interval", [None, None])
    return f"| {name} | {metric} | {number(scores.get(metric))} | {number(low)} – {number(high)} |"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
