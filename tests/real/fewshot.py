"""Accuracy from 1, 4, 16 and 64 rows of each class: a frozen pretrained encoder, a tuned one, and
one from scratch; rewrites that section of docs/results.md.

python tests/real/fewshot.py LITE0 MINILM [DRAWS]    folders, as `mmbm import-weights` wrote them;
                                                     draws of rows, 1 if not given

Rows that are not drawn have an empty target cell, so all runs share what is prepared. As many valid
rows a class as train rows, at most four, choose the weights and the temperature.
"""

import csv
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from results import ROOT, write_section
from sets import DATA

import mmbm

RUNS = ROOT / "runs" / "fewshot"
SHOTS = (1, 4, 16, 64)
SEEDS = (1, 2, 3)  # of draws that the table has
STEPS = 200  # at least, of each training
VALID = 4  # rows a class
START = "## From few rows"


class Task(NamedTuple):
    folder: str
    column: str
    target: str
    ways: dict[str, dict[str, Any]]
    """What is compared: the input's spec, with the folder's place for `model`."""


def tasks(lite0: str, minilm: str) -> dict[str, Task]:
    def pretrained(folder: str, tune: str) -> dict[str, Any]:
        model = str(Path(folder).resolve())
        return {"kind": "pretrained", "model": model, "tune": tune}

    return {
        "fashion_products": Task("fashion_products", "image", "label", {
            "EfficientNet-Lite0, frozen": {"kind": "image", "size": 160,
                                           "encoder": pretrained(lite0, "frozen")},
            "from scratch: cnn": {"kind": "image", "size": 48,
                                  "augment": {"flip": True, "crop": 0.1},
                                  "encoder": {"kind": "cnn", "size": "tiny"}},
        }),
        "emoji_zh_en": Task("emoji_zh_en", "text", "label", {
            "all-MiniLM-L6-v2, frozen": {"kind": "text", "max_tokens": 32,
                                         "encoder": pretrained(minilm, "frozen")},
            "all-MiniLM-L6-v2, lora": {"kind": "text", "max_tokens": 32,
                                       "encoder": pretrained(minilm, "lora")},
            "from scratch: bag": {"kind": "text", "tokenizer": "word", "lowercase": True,
                                  "encoder": {"kind": "bag", "size": "base"}},
        }),
    }  # fmt: skip


def draw(name: str, task: Task) -> Path:
    """The set's table with a target column for each draw: `16-2` has 16 rows a class, seed 2."""
    with (DATA / task.folder / "data.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [{task.column: row[task.column], "split": row["split"]} for row in rows]
    classes = sorted({row[task.target] for row in rows})
    for shots in SHOTS:
        for seed in SEEDS:
            generator = np.random.default_rng(seed)
            for split, most in (("train", shots), ("valid", min(shots, VALID)), ("test", None)):
                for one in classes:
                    places = [
                        i
                        for i, row in enumerate(rows)
                        if (row["split"], row[task.target]) == (split, one)
                    ]
                    for i in generator.permutation(places)[:most]:
                        kept[i][f"{shots}-{seed}"] = one
    path = RUNS / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        names = [task.column, "split", *(f"{k}-{s}" for k in SHOTS for s in SEEDS)]
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(kept)
    return path


def measure(name: str, task: Task, table: Path, way: str, shots: int, seed: int) -> list[float]:
    """Test accuracy and the ends of its interval."""
    target = f"{shots}-{seed}"
    with table.open(encoding="utf-8", newline="") as file:
        rows = sum(row["split"] == "train" and row[target] != "" for row in csv.DictReader(file))
    batch = min(32, rows)
    config = {
        "data": {"table": str(table), "root": str(DATA / task.folder), "split": "split"},
        "inputs": {task.column: task.ways[way]},
        "targets": {target: {"kind": "category"}},
        "train": {
            "batch_size": batch, "epochs": max(10, STEPS // max(rows // batch, 1)), "seed": seed,
            "golden_rows": 0, "threads": 1,
        },
    }  # fmt: skip
    bundle = mmbm.train(config, run=RUNS / f"{name}-{time.time_ns()}")
    found = bundle.metrics["test"]["targets"][target]
    return [found["accuracy"], *found["interval"]]


Found = dict[str, list[list[float]]]
"""By set, way and rows a class: of each draw accuracy and the ends of its interval."""


def line(name: str, way: str, found: Found, draws: int) -> str:
    cells = []
    for shots in SHOTS:
        scores = np.array(found[f"{name}|{way}|{shots}"][:draws])  # [draws, 3]
        low, high = scores[0, 1:]
        spread = f"({low:.3f} – {high:.3f})"
        if draws > 1:
            spread = f"± {scores[:, 0].std(ddof=1):.3f}"
        cells.append(f"**{scores[:, 0].mean():.3f}** {spread}")
    return f"| {name} | {way} | {' | '.join(cells)} |"


def write(all_tasks: dict[str, Task], found: Found) -> None:
    draws = min(len(scores) for scores in found.values())
    lines = [line(name, way, found, draws) for name, task in all_tasks.items() for way in task.ways]
    text = f"""
Accuracy on all test rows after learning from so many rows of each class (where there are fewer,
all of them), {
        "with its 95 % bootstrap interval, of one draw"
        if draws == 1
        else f"mean and standard deviation over {draws} draws"
    }: the 30 kinds of `fashion_products` from their photos alone (577
test rows), the 9 groups of `emoji_zh_en` from their English names alone (329 test rows). At most
four valid rows a class; the same number of steps for all, none of them tuned. Written by
`python tests/real/fewshot.py models/lite0 models/minilm`, which has the settings.

| set | encoder | {" | ".join(f"{k} a class" for k in SHOTS)} |
|---|---|{"---|" * len(SHOTS)}
""" + "\n".join(lines)
    write_section(START, text)


def main() -> None:
    made = tasks(sys.argv[1], sys.argv[2])
    tables = {name: draw(name, task) for name, task in made.items()}
    kept = RUNS / "results.json"
    found: Found = json.loads(kept.read_text()) if kept.exists() else {}
    for seed in SEEDS[: int(sys.argv[3]) if len(sys.argv) > 3 else 1]:
        for shots in SHOTS:
            for name, task in made.items():
                for way in task.ways:
                    scores = found.setdefault(f"{name}|{way}|{shots}", [])
                    if len(scores) < SEEDS.index(seed) + 1:
                        scores.append(measure(name, task, tables[name], way, shots, seed))
                        kept.write_text(json.dumps(found, indent=1))
                        print(name, way, shots, seed, scores[-1][0], flush=True)
    write(made, found)


if __name__ == "__main__":
    main()
