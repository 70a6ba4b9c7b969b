"""Rows/s of `mmbm train` in its steady state against a minimal loop over tensors in memory.

Ours is the loop of `mmbm.training`: batches gathered from prepared files, the check for
bad updates, the display and the log. Theirs is what one would write by hand for the same model:
batches made beforehand, zero_grad, forward, backward, clip, AdamW. Same precision, same batches.
Both are pinned to one core (more with --cores), so gathering ahead competes with the training.
"""

import copy
import cProfile
import os
import pstats
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from made import picture, sentence, sound
from side_by_side import Ratio, options, show, speed

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.layers.batch import Field
from mmbm.nn.model import Model
from mmbm.training.log import Progress
from mmbm.training.optimizer import build_optimizer
from mmbm.training.run_folder import Run
from mmbm.training.trainer import Trainer

INPUTS = {
    "photo": {"kind": "image", "size": 64, "encoder": "cnn"},
    "speech": {"kind": "audio", "sample_rate": 16000, "seconds": 3, "encoder": "rnn"},
    "remark": {"kind": "text", "encoder": "rnn"},
}
CASES = {"image + text": ["photo", "remark"], "audio": ["speech"], "all three": [*INPUTS]}


def table(rows: int) -> pa.Table:
    generator = np.random.default_rng(0)
    seconds = generator.uniform(0.5, 2.0, rows)
    return pa.table(
        {
            "photo": [picture(generator, 64, 64, "PNG") for _ in range(rows)],
            "speech": [sound(generator, s, 16000) for s in seconds],
            "remark": [sentence(generator) for _ in range(rows)],
            "label": [str(i % 10) for i in range(rows)],
        }
    )


def case(
    name: str, names: list[str], rows: pa.Table, batch: int, turns: int, steps: int, top: int
) -> Ratio:
    """A turn is `steps` steps and one line of the log (by default a run logs every 20 steps)."""
    config = configfile.parse(
        {
            "data": {"table": "made", "split": {"valid": 0.02, "test": 0.0}},
            "inputs": {k: INPUTS[k] for k in names},
            "targets": {"label": "category"},
            "train": {"epochs": 1000, "batch_size": batch, "threads": torch.get_num_threads(),
                      "log_steps": steps},
        }
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run", config)
        data = prepare(config, run.cache, table=rows)
        model = Model(config, data.columns)
        copied = copy.deepcopy(model)
        trainer = Trainer(config, model, data, run)
        ours = steps_of_mmbm(trainer, Progress(trainer), steps)
        theirs = steps_by_hand(copied, trainer, steps)
        ratio = speed(
            name, lambda _: next(ours), lambda _: next(theirs),
            batch * steps, "rows/s", promised=0.95, turns=turns,
        )  # fmt: skip
        if top:
            profile(ours, top)
        run.close()
    return ratio


def profile(ours: Iterator[None], top: int) -> None:
    """Where five turns of ours spend their time: what takes the most by itself, on stderr."""
    profiler = cProfile.Profile()
    profiler.runcall(lambda: [next(ours) for _ in range(5)])
    pstats.Stats(profiler, stream=sys.stderr).strip_dirs().sort_stats("tottime").print_stats(top)


def steps_of_mmbm(trainer: Trainer, shown: Progress, steps: int):
    """Each `next` takes this many steps of `mmbm.training.train`."""
    with shown:
        for epoch in range(trainer.spec.epochs):
            for batch in trainer.batches(epoch):
                trainer.update(batch)
                shown.step()
                trainer.checkpoints.due()
                if trainer.step % steps == 0:
                    yield


def steps_by_hand(model: Model, trainer: Trainer, steps: int):
    spec, precision = trainer.spec, trainer.precision.name
    epochs = [
        [tensors(b) for b in trainer.rows.batches(spec.seed, e, spec.batch_size)] for e in (0, 1)
    ]
    optimizer = build_optimizer(model, spec)
    model.train()
    step = 0
    while True:
        for inputs, targets in epochs[(step // trainer.steps_per_epoch) % 2]:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                loss = model.loss(inputs, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), spec.max_grad_norm)
            optimizer.step()
            step += 1
            if step % steps == 0:
                yield


def tensors(batch):
    return tuple(
        {name: Field(*map(torch.from_numpy, arrays)) for name, arrays in part.items()}
        for part in (batch.inputs, batch.targets)
    )


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--turns", type=int, default=21)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--profile", type=int, default=0, help="show this many functions per case")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[-given.cores :]))
    torch.set_num_threads(given.cores)
    rows = table(given.rows)
    ratios = [
        case(name, names, rows, given.batch, given.turns, given.steps, given.profile)
        for name, names in CASES.items()
    ]
    show("training: mmbm / minimal loop", ratios, given.json)


if __name__ == "__main__":
    main()
