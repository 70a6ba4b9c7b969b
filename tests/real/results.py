"""Train on every real data set as a user would, and rewrite docs/results.md.

python tests/real/results.py [TASK …]      only these; the other rows of the table are kept
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sets import TASKS, Task

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs" / "results"
KEPT = RUNS / "results.json"
PAGE = ROOT / "docs" / "results.md"
HEAD = """# Results on real data

Each row is `mmbm init`, then `mmbm train` with the settings shown, on the sets that the data
folder's own READMEs describe. The score is accuracy on the test split with its 95 % bootstrap
interval (of the first seed where there are several, then mean and standard deviation over seeds).
*Best single* is the best modality trained alone with the same budget (`--baselines`). Minutes are
of one run with its baselines, on two cores. Written by `make results` (`tests/real/results.py`).

| task | inputs | settings | test rows | score | best single | promise | minutes |
|---|---|---|---|---|---|---|---|
"""


def mmbm(*arguments: str) -> str:
    command = [sys.executable, "-m", "mmbm.cli", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(name: str, task: Task) -> dict[str, Any]:
    """Scores per seed: {"scores": […], "valid": […], "single": {modality: […]}, …}."""
    scores, valid, single, reports, start = [], [], {}, [], time.monotonic()
    for seed in range(1, task.seeds + 1):
        report, metrics = train(name, task, task.only, seed)
        reports.append(report)
        scores.append(report["accuracy"])
        valid.append(metrics["valid"]["targets"][task.target]["accuracy"])
        for modality, score in metrics["test"].get("baselines", {}).items():
            single.setdefault(modality, []).append(score[task.target])
        for modality in task.alone:
            alone, _ = train(f"{name}-{modality}", task, (modality,), seed)
            single.setdefault(modality, []).append(alone["accuracy"])
    minutes = (time.monotonic() - start) / 60 / task.seeds
    return {
        "rows": reports[0]["rows"], "scores": scores, "valid": valid, "single": single,
        "interval": reports[0]["interval"], "minutes": round(minutes, 1),
    }  # fmt: skip


def train(
    name: str, task: Task, inputs: tuple[str, ...], seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`mmbm init` and `mmbm train`: the target's test metrics, and all the bundle's metrics."""
    config, run = RUNS / f"{name}.yaml", RUNS / f"{name}-seed{seed}-{int(time.time())}"
    mmbm("init", *task.init(inputs), "-o", str(config))
    left_out = {f"inputs.{column}." for column in task.only if column not in inputs}
    settings = [s for s in task.settings if not s.startswith(tuple(left_out) or "-")]
    sets = [x for s in (*settings, f"train.seed={seed}") for x in ("--set", s)]
    more = ["--baselines"] * task.baselines
    report = json.loads(mmbm("train", str(config), "--run", str(run), *sets, *more, "--json"))
    metrics = json.loads((run / "bundle" / "metrics.json").read_text())
    return report["targets"][task.target], metrics


def row(name: str, task: Task, result: dict[str, Any]) -> str:
    mean = sum(result["scores"]) / len(result["scores"])
    low, high = result["interval"]
    score = f"{result['scores'][0]:.3f} ({low:.3f} – {high:.3f})"
    if task.seeds > 1:
        spread = (sum((s - mean) ** 2 for s in result["scores"]) / (task.seeds - 1)) ** 0.5
        score += f"; {task.seeds} seeds {mean:.3f} ± {spread:.3f}"
    if task.valid:
        score += f"; {task.valid} {sum(result['valid']) / len(result['valid']):.3f}"
    means = {modality: sum(s) / len(s) for modality, s in result["single"].items()}
    best = max(means, key=lambda m: means[m]) if means else None
    single = f"{best} {means[best]:.3f}" if best else "–"
    promise = "–" if task.promise is None else f"≥ {task.promise}"
    inputs = ", ".join(task.only) + (f"; {task.note}" if task.note else "")
    settings = "<br>".join(f"`{s}`" for s in task.settings) or "–"
    return (
        f"| {task.folder} `{task.target}` | {inputs} | {settings} | {result['rows']} | {score} | "
        f"{single} | {promise} | {result['minutes']} |"
    )


def write(results: dict[str, Any]) -> None:
    """The page: a row for each task that was measured, and the names of the others."""
    lines = [row(name, task, results[name]) for name, task in TASKS.items() if name in results]
    missing = [
        f"{t.folder} `{t.target}` ({name})" for name, t in TASKS.items() if name not in results
    ]
    rest = ["", f"Not measured with these settings yet: {', '.join(missing)}."] if missing else []
    PAGE.write_text(HEAD + "\n".join([*lines, *rest]) + "\n", encoding="utf-8")


def main() -> None:
    RUNS.mkdir(parents=True, exist_ok=True)
    results = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in sys.argv[1:] or TASKS:
        results[name] = measure(name, TASKS[name])
        KEPT.write_text(json.dumps(results, indent=1))
        write(results)
        print(row(name, TASKS[name], results[name]), flush=True)


if __name__ == "__main__":
    main()
