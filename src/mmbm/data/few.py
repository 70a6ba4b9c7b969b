"""Checks for splits with too few rows for reliable scores."""

from mmbm.data.batches import Split

LEAST = 50
"""Labelled train and valid rows below which scores are uncertain with any method."""
HELD = 10
"""Rows of a split below which its scores are uncertain."""


def few_rows(splits: dict[str, Split], pooled: bool) -> list[str]:
    """A message if scores will be uncertain. pooled: train and valid rows are divided into folds,
    so that the size of valid alone doesn't matter."""
    sizes = {split: len(rows) for split, rows in splits.items()}
    labelled = sizes["train"] + sizes["valid"]
    judged = [sizes["test"]] if pooled else [sizes["valid"], sizes["test"]]
    if labelled >= LEAST and not any(0 < size < HELD for size in judged):
        return []
    counts = ", ".join(f"{size} {split}" for split, size in sizes.items())
    return [
        f"Only {counts} rows have a target: scores on so few rows are uncertain. Look at their "
        "intervals, and label more rows."
    ]
