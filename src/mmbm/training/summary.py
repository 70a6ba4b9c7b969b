"""The final report of `mmbm train`: members, their scores and weights, rows to check."""

import textwrap
from typing import Any

from mmbm.config import Config
from mmbm.inference.compare import beats_prior
from mmbm.inference.evaluate import build_answers
from mmbm.kinds.answer import Answer
from mmbm.kinds.column import Columns
from mmbm.training.advice import advice, judging, tells_nothing

SHOWN = 8
"""Modalities that are shown alone, the best ones."""
WIDTH = 100
LONGEST = 38
"""Characters of a member's name, so that a line with its numbers has 100."""


def summary(config: Config, columns: Columns, metrics: dict[str, Any]) -> list[str]:
    """Lines of plain text; none for a bundle without compared members."""
    answers = build_answers(config, columns)
    lines: list[str] = []
    for name, members in metrics.get("members", {}).items():
        lines += compared(name, answers[name], members, metrics)
        lines += by_modality(name, answers[name], metrics)
    said = advice(config, columns, answers, metrics)
    return [
        *lines,
        *(["What to do next:"] if said else []),
        *(part for one in said for part in wrapped(one, "  - ")),
    ]


def wrapped(sentence: str, before: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, initial_indent=before, subsequent_indent="    ")


def compared(
    name: str, answer: Answer, members: list[dict[str, Any]], metrics: dict[str, Any]
) -> list[str]:
    """A target's members, best first, and the ensemble's score; lines of up to 100 characters."""
    main = answer.main
    ranked = sorted(members, key=lambda m: (-round(m["weight"], 2), m["loss"]))
    width = min(LONGEST, max(len(m["member"]) for m in members))
    lines = [
        f"{name}: each member on the rows that have what it reads, and that it was not trained on.",
        "  The loss (log loss, or squared error in standard deviations) decides the weights.",
        f"  {'':<{width}}  {main.name:>8}  {'loss':>8}  {'weight':>6}  {'rows':>6}  "
        f"{'parameters':>10}  {'ms a row':>8}",
        *(line(m, main.name, width) for m in ranked),
    ]
    if "out_of_fold" in metrics:
        own = metrics["out_of_fold"]["targets"][name]
        lines.append(f"  {'all together':<{width}}  {own[main.name]:>8.4g}  {own['loss']:>8.4f}")
    if "test" in metrics and main.name in metrics["test"]["targets"][name]:
        scores = metrics["test"]["targets"][name]
        low, high = scores["interval"]
        lines.append(f"  On test: {scores[main.name]:.4g} (95 % {low:.4g} to {high:.4g}).")
    return lines


def by_modality(name: str, answer: Answer, metrics: dict[str, Any]) -> list[str]:
    """All modalities together compared with each alone, on test or valid; nothing if nothing is
    learned: differences are chance then."""
    report = next((metrics[s] for s in ("test", "valid") if s in metrics), {})
    found = report.get("compared", {}).get(name, {})
    judged = judging(name, metrics)
    if "alone" not in found or judged is None:
        return []
    if not beats_prior(judged["compared"][name]["prior"]):
        return []
    prior = found["prior"]["answer"]
    ranked = sorted(found["alone"].items(), key=lambda pair: -pair[1]["gain"][0])
    said = []
    for modality, one in reversed(ranked[-SHOWN:]):
        text = f"{modality} alone: {one['score']:.4g}; {beside(one['gain'])}"
        if tells_nothing(name, modality, metrics):
            text += f"; no better than always answering {prior!r}"
        said += wrapped(f"{text}.", "  ")
    return said


def beside(gain: list[float]) -> str:
    low, high = gain
    if low > 0:
        return f"all together are better by {low:.2g} to {high:.2g}"
    if high < 0:
        return f"all together are worse by {-high:.2g} to {-low:.2g}"
    return "all together are the same, within chance"


def line(member: dict[str, Any], main: str, width: int) -> str:
    """One member; its cost is known if it could be in the finished model."""
    name = member["member"]
    name = name if len(name) <= width else f"{name[: width - 1]}…"
    parameters, milliseconds = (member.get(key) for key in ("parameters", "milliseconds"))
    return (
        f"  {name:<{width}}  {member[main]:>8.4g}  {member['loss']:>8.4f}  {member['weight']:>6.2f}"
        f"  {member['rows']:>6}  {'–' if parameters is None else f'{parameters:,}':>10}"
        f"  {'–' if milliseconds is None else f'{milliseconds:.3g}':>8}"
    )
