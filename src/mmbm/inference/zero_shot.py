"""Zero-shot classification (CLIP): a cell's class is the one whose name has the nearest
embedding."""

from typing import Any

import numpy as np

from mmbm.config import Config
from mmbm.data.batches import Split
from mmbm.data.positive_groups import PositiveGroups
from mmbm.inference.runners import Runner, flatten
from mmbm.kinds.column import Columns, collate


def zero_shot(
    runner: Runner, rows: Split, config: Config, columns: Columns, target: str, z: np.ndarray
) -> dict[str, Any] | None:
    """Accuracy of a contrastive target's `zero_shot` over the rows that have a class and a cell [N,
    M, D]; None if it has none. `chance` is that of a random class, `most` that of the most frequent
    class."""
    spec, keys = config.contrastive[target], rows.stores[target]
    if spec.zero_shot is None or not isinstance(keys, PositiveGroups) or keys.classes is None:
        return None
    names, of_row = keys.classes
    of, by = (
        spec.columns.index(name) for name in (spec.zero_shot.input, spec.zero_shot.text_input)
    )
    right, there = of_row[rows.rows], z[:, of].any(-1)
    known = there & (right >= 0)
    if not known.any():
        return {"rows": 0}
    space = np.stack(
        [name_embedding(runner, config, columns, target, name)[by] for name in names]
    )  # [C, D]
    hits = (z[known, of] @ space.T).argmax(-1) == right[known]
    draws = np.random.default_rng(0).integers(0, len(hits), (1000, len(hits)))
    counts = np.bincount(right[known], minlength=len(names))
    return {
        "accuracy": float(hits.mean()),
        "interval": [float(x) for x in np.quantile(hits[draws].mean(1), [0.025, 0.975])],
        "chance": 1 / len(names),
        "most": float(counts.max() / counts.sum()),
        "classes": len(names),
        "rows": len(hits),
    }


def name_embedding(
    runner: Runner, config: Config, columns: Columns, target: str, name: str
) -> np.ndarray:
    """A name in its templates, as the mean of their embeddings, normalized to length 1 [M, D]."""
    spec = config.contrastive[target]
    assert spec.zero_shot
    texts = [template.replace("{}", name) for template in spec.zero_shot.templates]
    cells = {
        spec.zero_shot.text_input: [
            columns[spec.zero_shot.text_input].decode(text) for text in texts
        ]
    }
    batch = {
        column: collate(columns[column].storage, cells.get(column, [None] * len(texts)))
        for column in config.inputs
    }
    encoded = runner.run("encode", flatten(batch, columns))
    mean = runner.run("answer", encoded)[target].mean(0)
    return mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-12)
