"""Peak memory of a training step of a contrastive target, whole and in micro-batches of 32 rows.

Each measurement is a process of its own, since a process doesn't give memory back. What it takes to
get ready (torch, the model, the batch's decoded rows) is measured in the same way and taken off.

python bench/chunks.py [ROWS …]
"""

import json
import resource
import subprocess
import sys
import time

CHUNK = 32
ROWS = (256, 512, 1024)


def step(rows: int, chunk: int | None, steps: int) -> None:
    """In a process of its own: prints its peak memory in MB and the seconds of a step."""
    import tempfile
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    import torch
    from made import picture, sentence

    from mmbm.config import load as configfile
    from mmbm.data.prepare import prepare
    from mmbm.layers.batch import Field
    from mmbm.nn.model import Model
    from mmbm.training.device import Precision
    from mmbm.training.objective import Objective, backward

    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    table = pa.table(
        {
            "photo": [picture(generator, 48, 48, "PNG") for _ in range(rows + 10)],
            "en": [sentence(generator) for _ in range(rows + 10)],
        }
    )
    config = configfile.parse(
        {
            "data": {"table": "made", "split": {"valid": 5 / (rows + 10), "test": 5 / (rows + 10)}},
            "inputs": {
                "photo": {"kind": "image", "size": 48, "encoder": "cnn"},
                "en": {"kind": "text", "encoder": "rnn"},
            },
            "targets": {"alike": {"kind": "contrastive", "columns": ["photo", "en"]}},
            "train": {"batch_size": rows},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(config, Path(folder), table=table)
        model = Model(config, data.columns).train()
        batch = data.splits["train"].gather(np.arange(rows))
        inputs, targets = (
            {name: Field(*map(torch.from_numpy, a)) for name, a in each.items()}
            for each in (batch.inputs, batch.targets)
        )
        objective = Objective(model)
        precision = Precision(config.train, torch.device("cpu"))
        start = time.perf_counter()
        for _ in range(steps):
            backward(objective, precision, inputs, targets, -(-rows // (chunk or rows)))
            model.zero_grad()
        seconds = (time.perf_counter() - start) / max(steps, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([peak, seconds]))


def measure(rows: int, chunk: int | None, steps: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--step", json.dumps([rows, chunk, steps])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak, seconds = json.loads(done.stdout.splitlines()[-1])
    return peak, seconds


def main(sizes: list[int]) -> None:
    print(f"| rows of a step | whole, MB | in chunks of {CHUNK}, MB | part | time |")
    print("|---|---|---|---|---|")
    for rows in sizes:
        ready, _ = measure(rows, None, 0)
        whole, once = measure(rows, None, 2)
        parts, again = measure(rows, CHUNK, 2)
        whole, parts = whole - ready, parts - ready
        print(
            f"| {rows} | {whole:.0f} | {parts:.0f} | {parts / whole:.2f} | {again / once:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        step(*json.loads(sys.argv[2]))
    else:
        main([int(text) for text in sys.argv[1:]] or list(ROWS))
