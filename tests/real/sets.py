"""The data sets in ../shared/data and what is promised on each; `make results` runs them all."""

from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[3] / "shared" / "data"


FEW = (
    "inputs.image.size=32",
    "inputs.image.augment.flip=true",
    "train.average=8",
    "fusion.dropout=0.3",
)
"""A few thousand rows: small pictures, more dropout, more epochs averaged …"""
SMALL = (*FEW, "train.weight_decay=4")
"""… and weights that shrink a lot."""


class Task(NamedTuple):
    """`mmbm init FOLDER/data.csv --target T --only …`, then `mmbm train`, at most a few --set."""

    folder: str
    target: str
    only: tuple[str, ...]
    promise: float | None  # least test score of the mean over seeds
    settings: tuple[str, ...] = ()
    seeds: int = 1
    baselines: bool = False
    """Train every modality alone too (`--baselines`)."""
    alone: tuple[str, ...] = ()
    """Inputs to train alone instead, where one is known to be the best single modality."""
    note: str = ""
    valid: str = ""
    """What the valid split is, where its score is worth telling too."""

    def init(self, inputs: tuple[str, ...]) -> list[str]:
        only = [part for name in inputs for part in ("--only", name)]
        return [str(DATA / self.folder / "data.csv"), "--target", self.target, *only]


TASKS = {
    "mnist": Task("mnist", "label", ("image",), 0.975),
    "fsdd": Task(
        "fsdd",
        "label",
        ("audio",),
        None,
        note="speaker lucas, never heard in training",
        valid="speaker george, who only chose the mix and the weights,",
    ),
    "avmnist_pairs": Task(
        "avmnist_pairs",
        "label",
        ("image", "audio"),
        0.985,
        ("fusion.drop=0.5",),
        alone=("image",),
    ),
    "season": Task(
        "fashion_products",
        "season",
        ("image", "text", "base_colour", "gender", "usage"),
        0.86,
        (*SMALL, "fusion.drop=0.1"),
        seeds=3,
        alone=("text",),
    ),
    "season_year": Task(
        "fashion_products",
        "season",
        ("image", "text", "base_colour", "gender", "usage", "year"),
        0.89,
        (*FEW, "train.weight_decay=0.5", "fusion.drop=0.3", "inputs.year={kind: category}"),
        seeds=3,
        alone=("text",),
    ),
    "usage": Task(
        "fashion_products",
        "usage",
        ("image", "text", "base_colour", "gender", "season"),
        None,
        SMALL,
        seeds=3,
        alone=("image", "text"),
    ),
    "emoji": Task(
        "emoji_zh_en",
        "label",
        ("image", "text", "text_zh"),
        None,
        ("fusion.drop=0.1",),
        baselines=True,
    ),
}
