"""The final report of `mmbm train`: members, their scores and weights, rows to look at."""

from typing import Any

from mmbm.answers import Answer
from mmbm.columns import Columns
from mmbm.config import Config
from mmbm.evaluate import build_answers

LONGEST = 38
"""Characters of a member's name: with its numbers a line has 100."""


def summary(config: Config, columns: Columns, metrics: dict[str, Any]) -> list[str]:
    """Lines of plain text; none for a bundle without compared members."""
    answers = build_answers(config, columns)
    lines: list[str] = []
    for name, members in metrics.get("members", {}).items():
        lines += compared(name, answers[name], members, metrics)
    return lines


def compared(
    name: str, answer: Answer, members: list[dict[str, Any]], metrics: dict[str, Any]
) -> list[str]:
    """A target's members, best first, and how its mix does; lines of up to 100 characters."""
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
    doubtful = metrics.get("doubtful", {}).get(name, [])
    if doubtful:
        rows = ", ".join(str(row) for row in doubtful)
        lines.append(f"  Rows whose {name} looks wrong, or is hard to see: {rows}.")
    return lines


def line(member: dict[str, Any], main: str, width: int) -> str:
    """One member; what it costs is known of those that the finished model could have."""
    name = member["member"]
    name = name if len(name) <= width else f"{name[: width - 1]}…"
    parameters, milliseconds = (member.get(key) for key in ("parameters", "milliseconds"))
    return (
        f"  {name:<{width}}  {member[main]:>8.4g}  {member['loss']:>8.4f}  {member['weight']:>6.2f}"
        f"  {member['rows']:>6}  {'–' if parameters is None else f'{parameters:,}':>10}"
        f"  {'–' if milliseconds is None else f'{milliseconds:.3g}':>8}"
    )
