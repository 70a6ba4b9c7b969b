"""The tables of `bench/quality.py`: what is asked of each, and how its rows are cut and divided."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

DATA = Path(__file__).parents[2] / "shared" / "data"
ALL = 0
"""As a size: every train row."""
SIZES = (100, 300, 1000, ALL)
MOST_TEST = 600
LEAST_VALID = 10

Row = dict[str, str]
Metric = Literal["accuracy", "balanced accuracy", "auc", "r2", "r2 of log"]
Half = Literal["choose", "confirm"]


class Task(NamedTuple):
    """A table and the question about it. The columns by kind are what yardsticks read; `mmbm init`
    finds its own among all that aren't dropped."""

    folder: str
    target: str
    metric: Metric
    drop: tuple[str, ...] = ()
    """Columns that the person who asks leaves out: they tell the answer, or only divide rows."""
    pictures: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    group: str = ""
    """Rows of one value of this column stay together when train and valid rows are divided."""
    positive: str = ""
    """The class whose probability an AUC ranks."""
    sizes: tuple[int, ...] = SIZES

    @property
    def root(self) -> Path:
        return DATA / self.folder

    @property
    def number(self) -> bool:
        return self.metric.startswith("r2")

    @property
    def modalities(self) -> dict[str, tuple[str, ...]]:
        """The columns of each modality that the table has."""
        kinds = {
            "pictures": self.pictures,
            "sounds": self.sounds,
            "texts": self.texts,
            "table": self.numbers + self.categories,
        }
        return {kind: columns for kind, columns in kinds.items() if columns}

    def rows(self) -> list[Row]:
        with (self.root / "data.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))


FASHION = ("article_type", "sub_category", "label", "master_category")
PHRASES = ("label", "language", "contributor", "clip_license")

TASKS = {
    "ikea_prices": Task(
        "ikea_prices", "price_sar", "r2 of log", ("family",),
        texts=("name", "description"), numbers=("depth_cm", "height_cm", "width_cm"),
        categories=("category", "other_colours", "sold_online", "by_ikea"), group="family",
    ),
    "recommended": Task(
        "clothing_reviews", "recommended", "auc", ("rating",),
        texts=("title", "review"), numbers=("age", "helpful_votes"),
        categories=("division", "department", "class_name", "clothing_id"), positive="yes",
    ),
    "rating": Task(
        "clothing_reviews", "rating", "r2", ("recommended",),
        texts=("title", "review"), numbers=("age", "helpful_votes"),
        categories=("division", "department", "class_name", "clothing_id"),
    ),
    "cat_meows": Task(
        "cat_meows", "context", "balanced accuracy", ("cat", "owner", "session"),
        sounds=("audio",), categories=("breed", "sex"), group="cat",
    ),
    "food_weight": Task(
        "food_weight", "weight_g", "r2", ("volume_ml", "portion"),
        pictures=("image_side", "image_top"), numbers=("coin_px_side", "coin_px_top"),
        categories=("food",), group="portion",
    ),
    "season": Task(
        "fashion_products", "season", "accuracy", FASHION, pictures=("image",), texts=("text",),
        categories=("gender", "base_colour", "usage", "year"),
    ),
    "usage": Task(
        "fashion_products", "usage", "accuracy", (*FASHION, "year"),
        pictures=("image",), texts=("text",), categories=("gender", "base_colour", "season"),
    ),
    "usage_note": Task(
        "fashion_products", "usage", "balanced accuracy",
        (*FASHION, "year", "gender", "base_colour", "season"),
        pictures=("image",), texts=("text",), sizes=(100, 300),
    ),
    "emoji": Task(
        "emoji_zh_en", "label", "accuracy",
        ("hexcode", "image", "tags", "tags_zh", "emoji_version", "subgroup"),
        texts=("text", "text_zh"),
    ),
    "wakewords": Task("wakewords", "text", "accuracy", PHRASES, sounds=("audio",)),
    "esc10": Task(
        "esc10_fold4", "label", "accuracy", ("target", "source_clip", "take"),
        sounds=("audio",), group="source_clip",
    ),
    "receipts": Task(
        "receipts", "shop", "accuracy", ("company", "date", "month", "total"),
        pictures=("image",), texts=("text",),
    ),
    "blood_cells": Task(
        "blood_cells", "n_rbc", "r2", ("objects", "n_wbc", "n_platelets"), pictures=("image",)
    ),
    "icu_vitals": Task(
        "icu_vitals", "died_in_hospital", "auc", ("length_of_stay", "series"),
        numbers=("age", "height_cm", "weight_kg", "n_steps"), categories=("sex", "icu_type"),
        positive="yes",
    ),
    "mnist": Task("mnist", "label", "accuracy", pictures=("image",)),
    "fsdd": Task(
        "fsdd", "label", "accuracy", ("text", "speaker", "take", "split_official"),
        sounds=("audio",), group="speaker",
    ),
    "avmnist_pairs": Task(
        "avmnist_pairs", "label", "accuracy", ("speaker",),
        pictures=("image",), sounds=("audio",), group="speaker",
    ),
    "driving_sim": Task(
        "driving_sim", "steering", "r2", ("frame", "time", "throttle", "brake", "block"),
        pictures=("image_center", "image_left", "image_right"), numbers=("speed",), group="block",
    ),
}  # fmt: skip


def halves() -> dict[str, Half]:
    """Settings are chosen on one half of the folders and confirmed on the other, taken in turns in
    the order above. Folders that share media count as one."""
    families: dict[str, None] = {family(task): None for task in TASKS.values()}
    turn: dict[str, Half] = {
        name: "confirm" if place % 2 else "choose" for place, name in enumerate(families)
    }
    return {name: turn[family(task)] for name, task in TASKS.items()}


def family(task: Task) -> str:
    return "digits" if task.folder in ("mnist", "fsdd", "avmnist_pairs") else task.folder


class Cut(NamedTuple):
    """Places of rows: to train on, to choose by, and to report on."""

    train: list[int]
    valid: list[int]
    held: list[int]

    def table(self, rows: list[Row]) -> Iterator[Row]:
        """These rows, in the table's order, with the split that they have here."""
        split = {i: name for name, part in zip(("train", "valid", "test"), self) for i in part}
        return ({**rows[i], "split": split[i]} for i in sorted(split))


def cut(task: Task, rows: list[Row], size: int, seed: int, split: str) -> Cut | None:
    """`size` train rows and valid rows in proportion, drawn with `seed`; None if there are no more
    train rows than that.

    split: "test" reports on the test rows, the same for all seeds. "valid" never sees them: train
    and valid rows are divided anew by the seed, and some of them are held back to report on.
    """
    places = {
        name: [i for i, row in enumerate(rows) if row["split"] == name]
        for name in ("train", "valid", "test")
    }
    proportion = len(places["valid"]) / len(places["train"])
    generator = np.random.default_rng(seed)
    if split == "valid":
        pool = places["train"] + places["valid"]
        held, pool = divide(task, rows, pool, min(MOST_TEST, len(pool) // 4), generator)
        held = sorted(drawn(held, MOST_TEST, generator))
        share = proportion / (1 + proportion)
        valid, train = divide(task, rows, pool, round(len(pool) * share), generator)
    else:
        train, valid = places["train"], places["valid"]
        held = sorted(drawn(places["test"], MOST_TEST, np.random.default_rng(0)))
    if size >= len(train):
        return None
    if size:
        train = drawn(train, size, generator)
        valid = drawn(valid, max(LEAST_VALID, round(size * proportion)), generator)
    return Cut(sorted(train), sorted(valid), held)


def drawn(places: list[int], count: int, generator: np.random.Generator) -> list[int]:
    return [places[i] for i in generator.permutation(len(places))[:count]]


def divide(
    task: Task, rows: list[Row], places: list[int], count: int, generator: np.random.Generator
) -> tuple[list[int], list[int]]:
    """At least `count` of these rows, and the others; rows of a group stay together."""
    groups: dict[str, list[int]] = {}
    for i in places:
        groups.setdefault(rows[i][task.group] if task.group else str(i), []).append(i)
    order = [list(groups.values())[g] for g in generator.permutation(len(groups))]
    first: list[int] = []
    while order and len(first) < count:
        first += order.pop()
    return sorted(first), sorted(i for group in order for i in group)
