"""Train on every real data set as a user would, and rewrite docs/results.md.

python tests/real/results.py [TASK …]      only these; other rows of the page are kept
"""

import csv
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import digits
import numpy as np
import whisper
from sets import DATA, TASKS, WHISPER, Task

import mmbm
from mmbm.api import Model

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs" / "results"
PAGE = ROOT / "docs" / "results.md"
HEAD = """# Results on real data

Each row is `mmbm init --from-scratch`, then `mmbm train` with the settings shown, on the sets that
the data folder's own READMEs describe. The score is accuracy on the test split with its 95 %
bootstrap interval, or of a transcript (`mmbm init --transcript`) its word and character error
rates; where there are several seeds, their mean and standard deviation first. *Best single* is the
best modality trained alone with the same settings and budget, *gain* what the whole is better, mean
over the seeds, with its paired 95 % interval over the test rows. Minutes are of one run of the
whole, from the table to the bundle, on two shared cores; those of fashion_products with the single
modalities that were trained too. Written by `make results` (`tests/real/results.py`).

| task | inputs | settings | test rows | score | promise | best single | gain | minutes |
|---|---|---|---|---|---|---|---|---|
"""


def measure(name: str, task: Task) -> dict[str, Any]:
    """Test scores of every seed, of the whole and of each modality trained alone."""
    shutil.rmtree(RUNS / "prepared", ignore_errors=True)  # what another task made isn't its time
    right: list[np.ndarray] = []
    alone: dict[str, list[np.ndarray]] = {}
    reports, valid, seconds = [], [], 0.0
    for seed in range(1, task.seeds + 1):
        start = time.monotonic()
        bundle = train(name, task, task.only, seed)
        seconds += time.monotonic() - start
        metrics = bundle.metrics
        reports.append(metrics["test"])
        valid.append(metrics["valid"]["targets"][task.target][task.metric])
        right.append(correct(bundle, task))
        for modality in task.alone:
            single = train(f"{name}-{modality}", task, (modality,), seed)
            alone.setdefault(modality, []).append(correct(single, task))
    best = max(alone, key=lambda m: np.mean(alone[m]), default=None)
    first = reports[0]["targets"][task.target]
    return {
        "rows": reports[0]["rows"],
        "scores": [r["targets"][task.target][task.metric] for r in reports],
        "interval": first["interval"],
        "cer": [first["cer"], *first["cer_interval"]] if task.transcript else None,
        "valid": valid,
        "best": best,
        "single": float(np.mean(alone[best])) if best else None,
        "gain": gain(right, alone[best]) if best else None,
        "minutes": round(seconds / 60 / task.seeds, 1),
    }


def train(name: str, task: Task, inputs: tuple[str, ...], seed: int) -> Model:
    """`mmbm init` and `mmbm train` with these inputs."""
    config, run = RUNS / f"{name}.yaml", RUNS / f"{name}-seed{seed}-{int(time.time())}"
    if any(WHISPER in setting for setting in task.settings):
        whisper.make(RUNS / WHISPER)
    table = DATA / task.folder / "data.csv"
    if task.spoken or task.heard:
        table = digits.make(run.with_name(f"{name}-data"), task.spoken, **task.heard)
    command("init", *task.init(table, inputs), "--from-scratch", "-o", str(config))
    left_out = tuple(f"inputs.{c}{end}" for c in task.only if c not in inputs for end in ".=")
    settings = [s for s in task.settings if not s.startswith(left_out)]
    if len(inputs) == 1:  # nothing to fuse or to hide
        settings = [s for s in settings if not s.startswith("fusion")]
    if not task.transcript:  # of this page are networks; docs/quality.md has all members
        settings.append("members=[network]")
    sets = [x for s in (*settings, f"train.seed={seed}") for x in ("--set", s)]
    command("train", str(config), "--run", str(run), *sets, "--json")
    return mmbm.load(run / "bundle")


def command(*arguments: str) -> None:
    run = [sys.executable, "-m", "mmbm.cli", *arguments]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)


def correct(bundle: Model, task: Task) -> np.ndarray:
    """Which test rows are answered right. [N] bool"""
    with (DATA / task.folder / "data.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    cells = [{name: row[name] for name in bundle.config.inputs} for row in rows]
    answers = bundle.predict(cells, root=DATA / task.folder)
    return np.array([a.get(task.target) == row[task.target] for a, row in zip(answers, rows)])


def gain(right: list[np.ndarray], alone: list[np.ndarray]) -> list[float]:
    """Accuracy of the whole less that of the single modality, mean over the seeds, with its paired
    95 % bootstrap interval over the test rows: [mean, low, high]."""
    each = np.mean([a.astype(float) - b for a, b in zip(right, alone)], axis=0)  # [N]
    draws = np.random.default_rng(0).integers(0, len(each), (2000, len(each)))
    low, high = np.quantile(each[draws].mean(1), [0.025, 0.975])
    return [float(each.mean()), float(low), float(high)]


def head(task: Task) -> str:
    """How its row of the page begins."""
    notes = [f"{task.spoken} more train rows that espeak-ng says"] if task.spoken else []
    inputs = "; ".join([", ".join(task.only), *filter(None, [task.note]), *notes])
    settings = "<br>".join(f"`{s}`" for s in task.settings) or "–"
    return f"| {task.folder} `{task.target}` | {inputs} | {settings} |"


def row(task: Task, result: dict[str, Any]) -> str:
    scores = np.array(result["scores"])
    low, high = result["interval"]
    score = f"{scores[0]:.3f} ({low:.3f} – {high:.3f})"
    if result.get("cer"):
        cer, low, high = result["cer"]
        score = f"WER {score}, CER {cer:.3f} ({low:.3f} – {high:.3f})"
    if task.seeds > 1:
        score = f"**{scores.mean():.3f}** ± {scores.std(ddof=1):.3f}; first {score}"
    if task.valid:
        score += f"; {task.valid} {np.mean(result['valid']):.3f}"
    single = gained = "–"
    if result["best"]:
        single = f"{result['best']} {result['single']:.3f}"
        mean, low, high = result["gain"]
        gained = f"{mean:+.3f} ({low:+.3f} – {high:+.3f})"
    promise = "–" if task.promise is None else f"{'≤' if task.transcript else '≥'} {task.promise}"
    return (
        f"{head(task)} {result['rows']} | {score} | {promise} | {single} | {gained} | "
        f"{result['minutes']} |"
    )


def write(new: dict[str, str]) -> None:
    """The page: new rows by task; of the others those measured with the settings that they have
    now, and the names of the rest."""
    old, _, after = PAGE.read_text(encoding="utf-8").partition("\n## ")
    kept = {
        name: line
        for name, task in TASKS.items()
        for line in old.splitlines()
        if line.startswith(head(task))
    }
    rows = {**kept, **new}
    lines = [rows[name] for name in TASKS if name in rows]
    missing = [f"{t.folder} `{t.target}` ({name})" for name, t in TASKS.items() if name not in rows]
    rest = ["", f"Not measured with these settings yet: {', '.join(missing)}."] if missing else []
    PAGE.write_text(HEAD + "\n".join([*lines, *rest]) + f"\n\n## {after}", encoding="utf-8")


def write_section(start: str, text: str) -> None:
    """Rewrite the page's section under the heading `start`; the others stay."""
    page, _, after = PAGE.read_text(encoding="utf-8").partition(f"\n{start}")
    rest = "".join(after.partition("\n## ")[1:])
    PAGE.write_text(f"{page.rstrip()}\n\n{start}\n\n{text.strip()}\n{rest}", encoding="utf-8")


def main() -> None:
    RUNS.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or TASKS:
        line = row(TASKS[name], measure(name, TASKS[name]))
        write({name: line})
        print(line, flush=True)


if __name__ == "__main__":
    main()
