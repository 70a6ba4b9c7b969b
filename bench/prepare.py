"""Cells decoded per second against the bare decoder, and memory against the number of rows.

Ours is prepare: table -> locate -> decode with every check -> digest -> Arrow file. Theirs is the
decoder alone (Pillow with the same draft and resize, soundfile with soxr) in a thread pool on the
same cores, its arrays written one after another to a file (kept) or thrown away; a process pool is
shown beside it. Memory is the anonymous memory (RssAnon, summed over the processes) at its highest
while a table of 1 or 10 times the rows is prepared and trained on for a few steps.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr
from made import picture, sentence, sound
from PIL import Image
from side_by_side import Ratio, options, show, speed

from mmbm.data.prepare import raw_cells
from mmbm.data.store import write
from mmbm.data.table import open_table
from mmbm.kinds import column as kinds
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.image.spec import ImageSpec
from mmbm.specs.base import Spec

PROMISED, MEMORY = 0.85, 0.10


def bare_picture(path: Path, size: int) -> np.ndarray:
    with Image.open(path) as image:
        image.draft("RGB", (3 * size, 3 * size))
        small = image.convert("RGB").resize(
            (size, size), Image.Resampling.BICUBIC, reducing_gap=3.0
        )
        return np.asarray(small)


def bare_sound(path: Path, rate: int) -> np.ndarray:
    wave, own = soundfile.read(path, dtype="float32")
    wave = wave if own == rate else soxr.resample(wave, own, rate, quality="HQ")
    return (wave * 32767).astype(np.int16)


CASES: list[tuple[str, int, str, Callable, Spec, Callable]] = [
    ("JPEG 500×375 → 64", 200, "jpg", lambda g: picture(g, 500, 375, "JPEG"),
     ImageSpec(size=64), partial(bare_picture, size=64)),
    ("PNG 28×28", 6000, "png", lambda g: picture(g, 28, 28, "PNG"),
     ImageSpec(size=28), partial(bare_picture, size=28)),
    ("WAV 3 s, 16 kHz", 1000, "wav", lambda g: sound(g, 3, 16000),
     AudioSpec(sample_rate=16000), partial(bare_sound, rate=16000)),
    ("WAV 3 s, 44.1 → 16 kHz", 200, "wav", lambda g: sound(g, 3, 44100),
     AudioSpec(sample_rate=16000), partial(bare_sound, rate=16000)),
    ("FLAC 3 s, 16 kHz", 300, "flac", lambda g: sound(g, 3, 16000, "FLAC"),
     AudioSpec(sample_rate=16000), partial(bare_sound, rate=16000)),
]  # fmt: skip


def decoding(folder: Path, turns: int) -> Iterator[Ratio]:
    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers) as threads, ProcessPoolExecutor(workers) as processes:
        for name, rows, ending, make, spec, bare in CASES:
            generator = np.random.default_rng(0)
            files = [folder / f"{i:04}.{ending}" for i in range(rows)]
            made = [make(generator) for _ in range(50)]  # the same 50, over and over
            for file, data in zip(files, itertools.cycle(made)):
                file.write_bytes(data)
            ours = partial(prepared, spec, [file.name for file in files], folder)
            kept = partial(decoded, threads, bare, files, folder / "kept")
            alone = partial(decoded, threads, bare, files, None)
            apart = partial(decoded, processes, bare, files, None)
            yield speed(f"{name}: kept", ours, kept, rows, "cells/s", PROMISED, turns)
            yield speed("  thrown away", ours, alone, rows, "cells/s", None, turns)
            yield speed(
                "  thrown away, processes", ours, apart, rows, "cells/s", None, turns, inside=False
            )


def prepared(spec: Spec, names: list[str], folder: Path, turn: int) -> None:
    """What `prepare` does with a media column that it sees for the first time."""
    table = open_table({"cell": names}, root=folder)
    cells = raw_cells(table, "cell", spec.kind)  # type: ignore[attr-defined]
    path = folder / f"{turn}.arrow"
    write(path, kinds.build(spec), cells, table.rows, "cell")
    path.unlink()


def decoded(
    pool: Executor, bare: Callable, files: list[Path], keep: Path | None, turn: int
) -> None:
    """The bare decoder over all files; the arrays one after another in a new file, or nowhere."""
    parts = [files[start : start + 32] for start in range(0, len(files), 32)]
    results = pool.map(partial(decode_all, bare, keep is not None), parts)
    with keep.open("wb") if keep else nullcontext() as file:
        for arrays in results:
            for array in arrays:
                file.write(array.data)  # type: ignore[union-attr]
    if keep:
        keep.unlink()


def decode_all(bare: Callable, keep: bool, files: list[Path]) -> list[np.ndarray]:
    kept = []
    for file in files:
        array = bare(file)
        if keep:
            kept.append(array)
    return kept


# ── memory ───────────────────────────────────────────────────────────────────────────────────────


def memory(rows: int) -> dict[int, float]:
    """Peak MB of a run over `rows` and over ten times as many."""
    peaks = {}
    for number in (rows, 10 * rows):
        with tempfile.TemporaryDirectory() as folder:
            write_table(Path(folder), number)
            command = [sys.executable, __file__, "--run-in", folder]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                peaks[number] = peak(process)
            if process.returncode:
                raise SystemExit(process.returncode)
    return peaks


def write_table(folder: Path, rows: int) -> None:
    generator = np.random.default_rng(0)
    pictures = [picture(generator, 160, 120, "JPEG") for _ in range(50)]
    sounds = [sound(generator, 1.0, 16000) for _ in range(50)]
    lines = ["photo,speech,remark,label"]
    for i in range(rows):
        (folder / f"{i}.jpg").write_bytes(pictures[i % 50])
        (folder / f"{i}.wav").write_bytes(sounds[i % 50])
        lines.append(f"{i}.jpg,{i}.wav,{sentence(generator)},{i % 10}")
    (folder / "data.csv").write_text("\n".join(lines), encoding="utf-8")


def run_in(folder: Path) -> None:
    """Prepare, and a few steps of training."""
    import torch

    from mmbm.config import load as configfile
    from mmbm.data.prepare import prepare as prepare_all
    from mmbm.nn.model import Model
    from mmbm.training.run_folder import Run
    from mmbm.training.trainer import Trainer

    torch.set_num_threads(1)
    config = configfile.parse(
        {
            "data": {"table": str(folder / "data.csv")},
            "inputs": {
                "photo": {"kind": "image", "size": 64, "encoder": {"kind": "cnn", "size": "tiny"}},
                "speech": {"kind": "audio", "encoder": {"kind": "rnn", "size": "tiny"}},
                "remark": {"kind": "text", "encoder": {"kind": "rnn", "size": "tiny"}},
            },
            "targets": {"label": "category"},
            "train": {"batch_size": 32, "threads": 1},
        }
    )  # fmt: skip
    run = Run(folder / "run", config)
    data = prepare_all(config, run.cache, run.quarantine)
    model = Model(config, data.columns)
    trainer = Trainer(config, model, data, run)
    for batch in itertools.islice(trainer.batches(0), 8):
        trainer.update(batch)
    run.close()


def peak(process: subprocess.Popen) -> float:
    """Largest RssAnon [MB] of a process and its children until it ends."""
    highest, done = 0, threading.Event()
    while process.poll() is None:
        highest = max(highest, sum(map(anonymous, family(process.pid))))
        done.wait(0.01)
    return highest / 1024


def family(pid: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [c for task in tasks for c in (task / "children").read_text().split()]
    except OSError:  # it ended
        return []
    return [pid, *(p for child in children for p in family(int(child)))]


def anonymous(pid: int) -> int:
    """kB"""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(s.split()[1]) for s in status.splitlines() if s.startswith("RssAnon")), 0)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--rows", type=int, default=400, help="of the smaller table")
    parser.add_argument("--run-in", type=Path, help="for this script's own use")
    given = parser.parse_args()
    if given.run_in:
        run_in(given.run_in)
        return
    with tempfile.TemporaryDirectory() as folder:
        ratios = list(decoding(Path(folder), given.turns))
    show("decoding: mmbm / bare decoder", ratios, given.json)
    peaks = memory(given.rows)
    if given.json:
        print(json.dumps({"title": "peak anonymous memory", "MB": peaks}))
        return
    few, many = peaks.values()
    print("peak anonymous memory: ten times the rows / the rows")
    print(f"  {many / few:.3f}  promised < {1 + MEMORY:.2f}  {peaks}")


if __name__ == "__main__":
    main()
