"""How much sooner the second bundle of one make of model is written than the first: training of one
epoch on 64 rows with a picture, a sound, a text and a table, checks and all.

python bench/tracing.py
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))


def main() -> None:
    import tiny

    import mmbm
    from mmbm.nn import graph

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = tiny.make(folder / "table", rows=64)
        seconds = []
        for seed in range(4):
            if seed == 2:  # the first two have loaded what a process loads once
                graph._known.clear()
            start = time.perf_counter()
            config = tiny.config(table, epochs=1, seed=seed, threads=1)
            mmbm.train(config, run=folder / f"run-{seed}")
            seconds.append(time.perf_counter() - start)
    print(
        f"traced {seconds[2]:.1f} s, known {seconds[3]:.1f} s: {seconds[2] / seconds[3]:.1f} times"
    )


if __name__ == "__main__":
    main()
