"""What `mmbm init` and `mmbm train` reach on real tables with nothing set by hand, beside ten lines
of scikit-learn on the same rows.

python bench/quality.py                         everything: a day on two cores; goes on if stopped
python bench/quality.py --sets ikea_prices --sizes 300 --seeds 1
python bench/quality.py --half choose --split valid --set train.lr=0.001
python bench/quality.py --quick                 three small cells; fails if below a yardstick
python bench/quality.py --page                  docs/quality.md from what was measured

Every model's answers on every held row are kept in OUT/results.jsonl, a line for each cell, seed
and model; what is there isn't measured again: a change of mmbm's code needs `--name` or another
`--out`. Settings are chosen with `--half choose --split
valid`, which never looks at test rows, and confirmed on the other half.
"""

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from compare import ALONE, OWN, Cell, Record, cells, summary, table, trial
from page import write
from tasks import ALL, SIZES, TASKS, Cut, Row, Task, cut, halves
from yardsticks import statistics, yardsticks

ROOT = Path(__file__).parents[1]
QUICK = {"ikea_prices": 300, "recommended": 300, "cat_meows": 100}
LATE = "not done in time"
Key = tuple[str, int, int, str, str]


class Results:
    """A file of JSON lines that grows by one for each model that has answered a cell."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "results.jsonl"
        self.records: dict[Key, Record] = {}
        if self.file.exists():
            for line in self.file.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self.records[self.key(record)] = record

    @staticmethod
    def key(record: Record) -> Key:
        return tuple(record[k] for k in ("task", "size", "seed", "split", "model"))

    def add(self, record: Record) -> None:
        self.records[self.key(record)] = record
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


class Place(NamedTuple):
    """A cell with a seed, and the rows that it has."""

    name: str
    task: Task
    rows: list[Row]
    size: int
    seed: int
    split: str
    cut: Cut

    def record(self, model: str) -> Record:
        held = self.cut.held
        return {
            "task": self.name, "size": self.size, "seed": self.seed, "split": self.split,
            "model": model, "rows": held, "truth": [self.rows[i][self.task.target] for i in held],
            "trained_on": [len(self.cut.train), len(self.cut.valid)],
        }  # fmt: skip


# --- mmbm ----------------------------------------------------------------------------------------


class Settings(NamedTuple):
    """What is given to `mmbm` beside the table."""

    sets: list[str]
    preset: str | None
    name: str | None
    limit: float
    weights: bool = False

    @classmethod
    def given(cls, given: argparse.Namespace) -> "Settings":
        return cls(given.set, given.preset, given.name, given.limit, given.weights)

    def model(self, own: str = OWN) -> str:
        """How the results call it: trials with other settings or code have names of their own."""
        weights = "weights" if self.weights else None
        return " ".join(filter(None, [own, self.name, weights, self.preset, *self.sets]))


class Failed(Exception):
    """A command that ended badly or took too long."""


def answers_of_mmbm(place: Place, settings: Settings, model: str, inputs: list[str]) -> Record:
    """`mmbm init`, `mmbm train` and `mmbm predict`, as someone types them who sets nothing.

    inputs: train on these columns alone; on all if empty.
    """
    task, record = place.task, place.record(model)
    others = [c for columns in task.modalities.values() for c in columns if c not in inputs]
    drop = [*task.drop, *(others if inputs else [])]
    sets = [f"train.seed={place.seed}", *settings.sets]
    if task.metric == "balanced accuracy":  # part of the question: yardsticks weigh classes for it
        sets.append(f"train.monitor={task.target}.balanced_accuracy")
    preset = ["--preset", settings.preset] if settings.preset else []
    scratch = [] if settings.weights else ["--from-scratch"]
    with tempfile.TemporaryDirectory(prefix="quality-") as name:
        folder = Path(name)
        held = [{**place.rows[i], task.target: ""} for i in place.cut.held]
        save(folder / "table.csv", place.cut.table(place.rows))
        save(folder / "asked.csv", held)
        commands = {
            "init": ["table.csv", "--target", task.target, "--root", str(task.root.resolve()),
                     "-o", "config.yaml", *each("--drop", drop), *scratch],
            "train": ["config.yaml", "--run", "run", "--json", *preset, *each("--set", sets)],
            "predict": ["run/bundle", "asked.csv", "-o", "said.jsonl", "--probabilities"],
        }  # fmt: skip
        start, before, peak = time.monotonic(), processor(), 0.0
        for verb, arguments in commands.items():
            try:
                peak = max(peak, run([verb, *arguments], folder, start + settings.limit))
            except Failed as failure:
                return {**record, "seconds": time.monotonic() - start, "error": str(failure)}
            if verb == "train":
                spent = {
                    "seconds": round(time.monotonic() - start, 1),
                    "processor": round(processor() - before, 1),
                }
        lines = (folder / "said.jsonl").read_text(encoding="utf-8").splitlines()
        said = read(task, [json.loads(line) for line in lines], record["truth"])
    return {**record, **said, **spent, "megabytes": round(peak)}


def processor() -> float:
    """Seconds of processor time of all commands until now: others on the machine don't add any."""
    spent = os.times()
    return spent.children_user + spent.children_system


def each(option: str, values: Iterable[str]) -> list[str]:
    return [part for value in values for part in (option, value)]


def save(path: Path, rows: Iterable[Row]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run(arguments: list[str], folder: Path, until: float) -> float:
    """`mmbm` with these arguments: the most memory that it held, in megabytes."""
    command = [sys.executable, "-m", "mmbm.cli", *arguments]
    peak = 0.0
    with (folder / "log.txt").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            while process.poll() is None:
                peak = max(peak, held_by(process.pid))
                if time.monotonic() > until:
                    raise Failed(LATE)
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            log.seek(0)
            raise Failed(f"mmbm {arguments[0]}: {' '.join(log.read().split())[-300:]}")
    return peak


def held_by(pid: int) -> float:
    """The most memory that a process has held until now, in megabytes, where Linux tells it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) / 1000 if found else 0.0


def read(task: Task, said: list[dict], truth: list[str]) -> Record:
    """Answers, probabilities of the positive class, and those of the right one."""
    answers = [a.get(task.target) for a in said]
    if task.number:
        numbers = [float("nan") if a is None else float(a) for a in answers]
        return {"answers": numbers, "scores": [], "probability": []}
    chance = f"{task.target}.p."
    positive = [a.get(chance + task.positive, 0.0) for a in said] if task.positive else []
    right = [round(a.get(chance + t, 0.0), 4) for a, t in zip(said, truth)]
    return {"answers": [str(a) for a in answers], "scores": positive, "probability": right}


# --- everything ----------------------------------------------------------------------------------


def places(given: argparse.Namespace) -> Iterator[Place]:
    """Every cell with every seed that is asked for."""
    half = halves()
    for name, task in TASKS.items():
        wanted = not given.sets or name in given.sets or task.folder in given.sets
        if not wanted or (given.half and half[name] != given.half):
            continue
        rows = task.rows()
        for size in [QUICK[name]] if given.quick else given.sizes:
            for seed in range(given.seeds):
                if size not in task.sizes and not given.quick:
                    continue
                if found := cut(task, rows, size, seed, given.split):
                    yield Place(name, task, rows, size, seed, given.split, found)


def measure(place: Place, given: argparse.Namespace, results: Results) -> None:
    """Whatever of a cell isn't there yet."""
    seen = (place.name, place.size, place.seed, place.split)
    there = [record for key, record in results.records.items() if key[:4] == seen]
    done = {record["model"] for record in there if record.get("error", LATE) == LATE}
    if given.models != "mmbm":
        media = statistics(place.task, place.rows, given.out / "statistics")
        for model, said in yardsticks(place.task, place.rows, place.cut, media, done):
            results.add(
                {
                    **place.record(model), "answers": said.answers, "scores": said.scores,
                    "probability": [round(p, 4) for p in said.truth],
                    "processor": round(said.seconds, 2),
                }
            )  # fmt: skip
    if given.models == "yardsticks":
        return
    settings, modalities = Settings.given(given), place.task.modalities
    wanted = {settings.model(): []}
    if given.alone and len(modalities) > 1:
        wanted |= {settings.model(f"{ALONE} {k}"): list(c) for k, c in modalities.items()}
    for model, inputs in wanted.items():
        if model not in done:
            results.add(answers_of_mmbm(place, settings, model, inputs))


def main() -> None:
    given = options()
    with tempfile.TemporaryDirectory(prefix="quality-") as folder:
        kept = Path(folder) if given.quick else ROOT / "runs" / "quality"
        given.out = given.out or kept  # a short form measures anew
        compare(given, Results(given.out))


def compare(given: argparse.Namespace, results: Results) -> None:
    if given.page:
        write(cells(results.records.values(), "test"), ROOT / "docs" / "quality.md")
        return
    asked = set()
    for place in places(given):
        start = time.monotonic()
        measure(place, given, results)
        asked.add((place.name, place.size))
        rows = "all" if place.size == ALL else place.size
        took = time.monotonic() - start
        print(f"{place.name} {rows} seed {place.seed}: {took:.0f} s", file=sys.stderr, flush=True)
    found = [
        cell
        for cell in cells(results.records.values(), given.split)
        if (cell.name, cell.size) in asked
    ]
    ours = Settings.given(given).model()
    print("\n".join([*table(found, ours), "", *summary(found, ours), *trial(found, ours)]))
    if given.quick and any(below(cell, ours) for cell in found):
        raise SystemExit(1)


def below(cell: Cell, ours: str) -> bool:
    worse = [y for y in cell.yardsticks if cell.below(ours, y)]
    for stick in worse:
        print(f"{cell.name} {cell.rows}: below {stick}: {cell.difference(ours, stick)}")
    return bool(worse)


def options() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        known = {*TASKS, *(task.folder for task in TASKS.values())}
        if unknown := set(text.split(",")) - known:
            raise argparse.ArgumentTypeError(f"no set {unknown}; there are {', '.join(TASKS)}")
        return text.split(",")

    def sizes(text: str) -> list[int]:
        return [ALL if size == "all" else int(size) for size in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sets", type=names, help="tasks or folders, with commas between; all if not given")
    add("--sizes", type=sizes, default=SIZES, help="train rows: 100,300,1000,all")
    add("--seeds", type=int, default=3, help="how many; each draws other rows")
    add("--half", choices=["choose", "confirm"], help="the sets of this half only")
    add("--split", choices=["test", "valid"], default="test", help="valid: never look at test rows")
    add("--models", choices=["all", "mmbm", "yardsticks"], default="all", help="measure only these")
    add("--alone", action="store_true", help="also train mmbm on each modality alone")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="given to mmbm train")
    add("--preset", help="given to mmbm train")
    add("--weights", action="store_true", help="with published weights, if they are installed")
    add("--name", help="added to mmbm's name in the results, to compare changes of its code")
    add("--limit", type=float, default=600, help="seconds that mmbm may take for one cell")
    add("--quick", action="store_true", help="three small cells, a seed; exit status 1 if below")
    add("--page", action="store_true", help="only write docs/quality.md from what was measured")
    add("--out", type=Path, help="folder of the results; runs/quality if not given")
    given = parser.parse_args()
    if given.quick:
        given.sets, given.seeds, given.half = list(QUICK), 1, None
    return given


if __name__ == "__main__":
    main()
