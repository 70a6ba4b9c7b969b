"""Sentences about drawn scenes, asked in English and Chinese: train, measure, and rewrite that
section of docs/results.md.

python tests/real/telling.py [ROWS [EPOCHS]]    train rows and epochs; as below if not given
"""

import csv
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from results import ROOT, write_section

import mmbm

sys.path.insert(0, str(ROOT / "tests"))

import scenes

RUNS = ROOT / "runs" / "telling"
ROWS, EPOCHS, VALID, TEST = 60_000, 16, 400, 1000
START = "## Sentences about scenes"
CONFIG: dict[str, Any] = {
    "inputs": {
        "scene": {"kind": "image", "size": 32, "encoder": {"kind": "cnn", "size": "tiny"}},
        "question": {
            "kind": "text",
            "tokenizer": "word",
            "augment": {"token_dropout": 0},
            "encoder": {"kind": "rnn", "size": "tiny", "dropout": 0},
        },
    },
    "fusion": {"kind": "transformer", "width": 64, "modality_dropout": 0.03, "dropout": 0},
    "targets": {
        "answer": {
            "kind": "text",
            "vocab_size": 400,
            "max_tokens": 32,
            "decoder": {"size": "tiny", "dropout": 0},
        }
    },
}
TEXT = """
Drawn pictures of up to three shapes in four colours, with questions in English and Chinese: how
many there are, what colour, which shape, and what is where; the answer is a sentence. Ten of
the 66 combinations of two kinds of things are never shown in training, and the {test} test rows
show only those. Trained from nothing on {rows} rows, {epochs} epochs, {minutes:.0f} minutes on two
shared cores. Written by `python tests/real/telling.py`, which has the settings.

| rows that have | exact match |
|---|---|
| picture and question | **{whole:.3f}** ({low:.3f} – {high:.3f}) |
| picture alone | {scene:.3f} |
| question alone | {question:.3f} |
| no model: each question's most frequent answer in training | {guess:.3f} |
| no model: the most frequent answer | {most:.3f} |

By kind of question: {kinds}. Token accuracy {token_accuracy:.3f}, BLEU {bleu:.3f}, chrF {chrf:.3f}.
"""


def read(table: Path, split: str) -> list[dict[str, str]]:
    with table.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def guesses(table: Path) -> tuple[float, float]:
    """Right by the question's most frequent answer, and by the most frequent answer of all."""
    train, test = read(table, "train"), read(table, "test")
    by_question: dict[str, Counter[str]] = {}
    for row in train:
        by_question.setdefault(row["question"], Counter())[row["answer"]] += 1
    best = {question: counts.most_common(1)[0][0] for question, counts in by_question.items()}
    most = Counter(row["answer"] for row in test).most_common(1)[0][1] / len(test)
    return float(np.mean([best.get(row["question"]) == row["answer"] for row in test])), most


def kind(question: str) -> str:
    words = {
        "how many": ("How many", "有几个"),
        "what colour": ("What colour", "颜色"),
        "what is where": ("at the", "最"),
    }
    found = (name for name, parts in words.items() if any(part in question for part in parts))
    return next(found, "which shape")


def by_kind(bundle: mmbm.Model, table: Path) -> dict[str, float]:
    rows = read(table, "test")
    asked = [{name: row[name] for name in ("scene", "question")} for row in rows]
    said = bundle.predict(asked, root=table.parent)
    right: dict[str, list[bool]] = {}
    for row, answer in zip(rows, said):
        right.setdefault(kind(row["question"]), []).append(answer["answer"] == row["answer"])
    return {name: float(np.mean(some)) for name, some in sorted(right.items())}


def main() -> None:
    rows, epochs = (int(x) for x in (*sys.argv[1:], *(ROWS, EPOCHS)[len(sys.argv) - 1 :]))
    table = RUNS / f"{rows}" / "data.csv"
    if not table.exists():
        scenes.make(table.parent, {"train": rows, "valid": VALID, "test": TEST})
    config = {**CONFIG, "data": {"table": str(table), "split": "split"}}
    config["train"] = {"epochs": epochs, "batch_size": 64, "lr": 0.002}
    start = time.monotonic()
    bundle = mmbm.train(config, run=RUNS / time.strftime("%m%d-%H%M%S"))
    minutes = (time.monotonic() - start) / 60
    report, (guess, most) = bundle.metrics["test"], guesses(table)
    scores, parts = report["targets"]["answer"], report["subsets"]
    kinds = ", ".join(f"{name} {score:.3f}" for name, score in by_kind(bundle, table).items())
    text = TEXT.format(
        **{**scores, "rows": f"{rows:,}"}, test=TEST, epochs=epochs, minutes=minutes,
        kinds=kinds, guess=guess, most=most, whole=scores["exact_match"],
        low=scores["interval"][0], high=scores["interval"][1],
        scene=parts["scene"]["answer"], question=parts["question"]["answer"],
    )  # fmt: skip
    write_section(START, text)
    print(text)


if __name__ == "__main__":
    main()
