"""docs/quality.md, from what `bench/quality.py` has measured."""

from pathlib import Path

from compare import OWN, Cell, answered, summary, table
from tasks import MOST_TEST, TASKS, halves

HEAD = Path(__file__).with_name("quality.head.md")
NAMES = {"pictures,": "images,", "sounds,": "audio,", "yardstick": "baseline"}
"""As the page names what results name otherwise."""


def write(found: list[Cell], path: Path) -> None:
    half = halves()
    told = answered(found, OWN)
    pairs = sum(len(cell.yardsticks) for cell in told)
    seeds = sorted({len(cell.said[OWN]) for cell in told})
    text = HEAD.read_text(encoding="utf-8").format(
        most=MOST_TEST,
        answered=len(told),
        cells=sum(len(task.sizes) for task in TASKS.values()),
        seeds=" to ".join(str(s) for s in (seeds[:1] + seeds[1:][-1:])) or 0,
        comparisons=pairs,
        chance=round(pairs * 0.025),
        **{h: ", ".join(t for t in TASKS if half[t] == h) for h in ("choose", "confirm")},
    )
    lines = ["## Ranks", "", *summary(found, OWN), "", "## Cells", "", *table(found, OWN)]
    tables = "\n".join(lines) + "\n"
    for old, new in NAMES.items():
        tables = tables.replace(old, new)
    path.write_text(text + tables, encoding="utf-8")
