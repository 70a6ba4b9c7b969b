"""How much faster a training step could be if texts were packed, several in a sequence, and none
were padded: the answers of the scenes of tests/real/telling.py, as they are, and as many tokens in
answers that are all of the mean length of their batch.

python bench/packing.py [ROWS]
"""

import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.kinds.column import Arrays
from mmbm.nn.model import Model
from mmbm.training.run_folder import Run
from mmbm.training.trainer import Trainer

TESTS = Path(__file__).parents[1] / "tests"
ROUNDS = 7  # each is measured, and the median of their ratios is told


def even(answers: Arrays) -> Arrays:
    """As many tokens, and every row has the mean."""
    mean = math.ceil(answers.lengths.mean())
    return answers._replace(
        values=np.ascontiguousarray(answers.values[:, :mean]),
        lengths=np.full_like(answers.lengths, mean),
    )


def padding(answers: list[np.ndarray]) -> float:
    """The share of places that no token has, each batch being as wide as its longest."""
    return 1 - sum(map(np.sum, answers)) / sum(len(a) * a.max() for a in answers)


def seconds(trainer: Trainer, batches: list) -> float:
    start = time.perf_counter()
    for batch in batches:
        trainer.update(batch)
    return time.perf_counter() - start


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 512
    sys.path[:0] = [str(TESTS), str(TESTS / "real")]
    import scenes
    from telling import CONFIG

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = scenes.make(folder, {"train": rows, "valid": 32, "test": 32})
        for size in ("tiny", "small", "base"):
            raw = {**CONFIG, "data": {"table": str(table), "split": "split"}}
            target = {**CONFIG["targets"]["answer"], "decoder": {"size": size, "dropout": 0}}
            raw |= {"targets": {"answer": target}, "train": {"epochs": 1000, "batch_size": 64}}
            config = configfile.parse(raw)
            data = prepare(config, folder / "prepared")
            run = Run(folder / size, config)
            trainer = Trainer(config, Model(config, data.columns), data, run)
            whole = list(trainer.batches(0))
            none = [b._replace(targets={"answer": even(b.targets["answer"])}) for b in whole]
            lengths = [b.targets["answer"].lengths - 1 for b in whole]
            seconds(trainer, whole[:2])
            ratios = [seconds(trainer, whole) / seconds(trainer, none) for _ in range(ROUNDS)]
            print(
                f"decoder {size}: {padding(lengths):.0%} of the places are padding; without any a "
                f"step would be {np.median(ratios):.2f} times as fast"
            )


if __name__ == "__main__":
    main()
