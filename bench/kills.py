"""Training runs under faults: killed, on a full disk, in a folder that may not be written, with
flipped bits. Each ends with a sentence, and goes on to the same weights, bit for bit.

As in the tests of SQLite and FoundationDB the faults are seeded: `mmbm.files.step` is called
between opening, writing, syncing and renaming each file, and the n-th call kills the process (its
unsynced file cut in the middle) or finds the disk full. Every fault has a process of its own,
forked from one that trained the same before, so that torch is imported and graphs traced once.
"""

import ctypes
import errno
import os
import random
import resource
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from safetensors.numpy import load_file

import mmbm
from mmbm import files
from mmbm.cli import main as command

Fault = Callable[[], None]
"""Prepares a forked process for what is to happen to it."""


class Ended(NamedTuple):
    status: int  # of the process; -9 where it was killed
    said: str  # its output


class Run:
    """A config, the folder it trains in, and what it must end with."""

    def __init__(self, folder: Path, rows: int = 48, epochs: int = 3):
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
        import tiny

        self.base = folder
        table = tiny.make(folder / "data", rows=rows)
        config = tiny.config(
            table, epochs=epochs, checkpoint_seconds=1e-6, golden_rows=2, log_steps=2
        )
        for name in ("speech", "remark"):
            config["inputs"].pop(name)
        config["inputs"]["photo"]["augment"] = {"flip": True}
        (folder / "c.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self.folder = folder / "run" / "c"
        self.steps = 0
        self.train(lambda: None, inside=True)
        self.weights = self.bundle_weights()

    def train(self, fault: Fault, inside: bool = False) -> Ended:
        arguments = ["train", str(self.base / "c.yaml"), "--run", str(self.folder), "--resume"]
        if inside:  # in this process, to count the steps and to keep what was traced
            files.step = self.count
            try:
                mmbm.train(self.base / "c.yaml", run=self.folder, resume=True)
            finally:
                files.step = lambda name, path: None
            return Ended(0, "")
        return forked(arguments, fault)

    def count(self, name: str, path: Path) -> None:
        self.steps += 1

    def fresh(self) -> None:
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def bundle_weights(self) -> dict[str, np.ndarray]:
        return load_file(self.folder / "bundle" / "weights.safetensors")

    def check(self, resumed: Ended) -> None:
        """It ended well, with the same weights, a bundle that answers, and nothing left behind."""
        assert resumed.status == 0, resumed.said
        weights = self.bundle_weights()
        assert weights.keys() == self.weights.keys()
        differing = [k for k, w in weights.items() if not np.array_equal(w, self.weights[k])]
        assert not differing, differing
        mmbm.load(self.folder / "bundle", verify=True)
        left = [p for p in self.folder.parent.rglob("*") if p.name.endswith((".part", ".tmp"))]
        assert not left, left


def forked(arguments: list[str], fault: Fault) -> Ended:
    """The command in a process of its own; its output comes through a pipe, which no limit of files
    touches."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            os.close(reading)
            os.close(writing)
            sys.argv = ["mmbm", *arguments]
            fault()
            command()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        finally:
            if status == 70:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        said = output.read().decode(errors="replace")
    _, raw = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(raw), said)


# ── what can happen ──────────────────────────────────────────────────────────────────────────────


def nothing() -> None:
    pass


def killed_at(number: int) -> Fault:
    """Killed at the n-th step; a file that isn't synced yet keeps half of what was written."""
    left = [number]

    def step(name: str, path: Path) -> None:
        left[0] -= 1
        if left[0] == 0:
            if name == "written" and path.is_file():
                os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda: setattr(files, "step", step)


def full_at(number: int) -> Fault:
    """From the n-th step on the disk is full."""
    left = [number]

    def step(name: str, path: Path) -> None:
        left[0] -= 1
        if left[0] <= 0 and name in ("open", "written"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    return lambda: setattr(files, "step", step)


def small_files(size: int) -> Fault:
    """No file may be larger: what C libraries write fails in the middle, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def as_anybody() -> None:
    """Without root's right to write everywhere."""
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    libc.capset(header, (ctypes.c_uint32 * 6)())


def flipped(path: Path, place: float) -> None:
    raw = bytearray(path.read_bytes())
    raw[int(place * (len(raw) - 1))] ^= 1
    path.write_bytes(raw)


def cut(path: Path, place: float) -> None:
    path.write_bytes(path.read_bytes()[: int(place * path.stat().st_size)])


# ── the rounds ───────────────────────────────────────────────────────────────────────────────────


def kills(run: Run, count: int, draw: random.Random) -> Counter[str]:
    """Killed once or twice at seeded steps, and resumed."""
    seen: Counter[str] = Counter()
    for _ in range(count):
        run.fresh()
        for _ in range(draw.choice([1, 1, 2])):
            ended = run.train(killed_at(draw.randint(1, run.steps)))
            assert ended.status in (-signal.SIGKILL, 0), ended.said
            seen["killed"] += ended.status != 0
            if ended.status == 0:  # it had too few steps left
                break
        run.check(run.train(nothing) if ended.status else ended)
        seen["resumed to the same weights"] += 1
    return seen


def full_disks(run: Run, count: int, draw: random.Random) -> Counter[str]:
    """A disk that is full from a seeded step on, or for every file beyond a size; then it isn't."""
    seen: Counter[str] = Counter()
    faults = [full_at(draw.randint(1, run.steps)) for _ in range(count)]
    faults += [small_files(size) for size in (0, 2_000, 50_000, 500_000)]
    for fault in faults:
        run.fresh()
        ended = run.train(fault)
        refused_or_done(ended, seen)
        run.check(run.train(nothing) if ended.status else ended)
        seen["resumed to the same weights"] += 1
    return seen


def read_only(run: Run) -> Counter[str]:
    """Folders that may not be written: of runs, of one run, of prepared cells."""
    seen: Counter[str] = Counter()
    for name in (".", "c", "prepared"):
        run.fresh()
        folder = run.folder.parent / name
        folder.mkdir(parents=True)
        if name == "c":
            assert run.train(killed_at(run.steps // 2)).status == -signal.SIGKILL
        folder.chmod(0o555)
        try:
            refused_or_done(run.train(as_anybody), seen)
        finally:
            folder.chmod(0o755)
        if name == "c":
            run.check(run.train(nothing))
            seen["resumed to the same weights"] += 1
    return seen


def damages(run: Run, draw: random.Random) -> Counter[str]:
    """Each file of an interrupted run with a flipped bit, cut, or emptied."""
    seen: Counter[str] = Counter()
    run.fresh()
    run.train(killed_at(int(run.steps * 0.7)))
    kept = run.base / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(run.folder.parent, kept)
    for path in sorted(damageable(kept)):
        for damage in (flipped, cut, lambda p, _: p.write_bytes(b"")):
            run.fresh()
            shutil.copytree(kept, run.folder.parent)
            damage(run.folder.parent / path.relative_to(kept), draw.random())
            ended = run.train(nothing)
            if ended.status == 0:
                run.check(ended)
                seen["made good"] += 1
            else:
                refused_or_done(ended, seen)
    return seen


def damageable(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if (
            path.suffix in (".safetensors", ".arrow", ".sum", ".yaml", ".jsonl")
            and path.stat().st_size
        ):
            yield path


def refused_or_done(ended: Ended, seen: Counter[str]) -> None:
    assert "Traceback" not in ended.said, ended.said
    assert ended.status in (0, 1), ended.said
    if ended.status:
        assert "mmbm: " in ended.said, ended.said
        seen["refused by a sentence"] += 1
    else:
        seen["nothing happened"] += 1
