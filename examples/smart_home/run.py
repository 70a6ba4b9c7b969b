"""All of it: dataset, training, server, broker, home; then strangers speak in rooms never seen.

    python run.py --folder home

Prints the share of commands that were understood and done, and the time of each stage.
"""

import argparse
import collections
import contextlib
import csv
import io
import multiprocessing
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import data
import numpy as np
import yaml
from commands import Command, after
from data import Scene
from home import Home
from listen import PATIENCE, Heard, House, listen

import mmbm
from mmbm.errors import MmbmError
from mmbm.inference.attributions import all_subsets

HOST = "127.0.0.1"
PAUSE = (0.8, 1.5)  # seconds of no speech before a sentence
REST = 1.0  # and after it


class Outcome(NamedTuple):
    scene: Scene
    heard: list[Heard]
    done: list[bool]
    """After each of them: the home is as the scene's command would have it."""

    @property
    def right(self) -> bool:
        """One utterance, one command, all three targets, and it was done."""
        return [h.command for h in self.heard] == [self.scene.command] and all(self.done)


def play(scenes: list[Scene], file: Path, url: str, port: int) -> list[Outcome]:
    """Every scene in turn: the home becomes its room, then the stream goes on with its sentence."""
    outcomes: list[Outcome] = []
    marks = write_stream(scenes, file)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(mmbm.Client(url))
        home = stack.enter_context(contextlib.closing(Home(HOST, port)))
        house = stack.enter_context(contextlib.closing(House(HOST, port)))

        def enter(scene: Scene) -> None:
            home.enter(scene.look, scene.room)
            with house.news:
                if not house.news.wait_for(lambda: shows(house, home), PATIENCE):
                    raise MmbmError(f"The room isn't on the broker after {PATIENCE} s.")
            outcomes.append(Outcome(scene, [], []))

        cues = [(mark, lambda scene=scene: enter(scene)) for mark, scene in zip(marks, scenes)]
        stream = stack.enter_context(io.BufferedReader(Recording(file, cues), 1024))
        for heard in listen(stream, client, house, lambda: outcomes[-1].scene.room.hour):
            scene = outcomes[-1].scene
            expected = after(scene.command, scene.room)
            outcomes[-1].heard.append(heard)
            outcomes[-1].done.append((home.room.on, home.set_to) == expected)
    return outcomes


def shows(house: House, home: Home) -> bool:
    told = {"picture": home.picture, "temperature": home.room.temperature, "light": home.room.light}
    return house.inputs() == told and len(house.entities) == len(home.entities())


class Recording(io.FileIO):
    """The stream's file. Whoever reads on past a mark first makes happen what stands there."""

    def __init__(self, file: Path, cues: list[tuple[int, Callable[[], None]]]):
        super().__init__(file)
        self.cues = collections.deque(cues)

    def readinto(self, buffer) -> int:
        while self.cues and self.tell() >= self.cues[0][0]:
            self.cues.popleft()[1]()
        return super().readinto(buffer)


def write_stream(scenes: list[Scene], file: Path) -> list[int]:
    """One WAV of all sentences, with pauses; the byte at which each scene begins."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh) as process:
        said = process.submit(data.speak, scenes).result()
    parts = []
    for scene, samples in zip(scenes, said):
        generator = np.random.default_rng(scene.seed)
        parts.append(data.record(samples, generator.uniform(*PAUSE), REST, generator))
    data.save(file, np.concatenate(parts))
    ends = np.cumsum([0, *(len(part) for part in parts)])
    return [44 + 2 * int(end) for end in ends[:-1]]  # after the WAV's head


def strangers(scenes: int, seed: int, new: bool = False) -> list[Scene]:
    """Voices and rooms of the test split, in other scenes than the table's."""
    generator = np.random.default_rng([seed, new])
    return data.draw(data.pools(seed)["test"], "test", scenes, generator, new)


# ── the processes ────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[int]:
    """amqtt on a free port."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    (folder / "broker.yaml").write_text(yaml.safe_dump(config))
    command = ["-c", "from amqtt.scripts.broker_script import main; main()"]

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return True
        return False

    with running([*command, "-c", str(folder / "broker.yaml")], folder / "broker.log", answers):
        yield port


@contextlib.contextmanager
def server(bundle: Path, folder: Path) -> Iterator[str]:
    """`mmbm serve` on a free port; its URL."""
    log = folder / "serve.log"
    command = ["-m", "mmbm.cli", "serve", str(bundle), "--port", "0"]

    def address() -> re.Match | None:
        return re.search(r"at (http://\S+)/predict", log.read_text())

    with running(command, log, lambda: address() is not None):
        found = address()
        assert found
        yield found[1]


@contextlib.contextmanager
def running(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A Python process of its own, from when it is ready until the end of the block."""
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, *command], stdout=out, stderr=out)
    try:
        end = time.monotonic() + 60
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                raise MmbmError(f"It doesn't start: {log.read_text()[-500:]}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


# ── what is printed ──────────────────────────────────────────────────────────────────────────────


def share(outcomes: list[Outcome]) -> float:
    return sum(one.right for one in outcomes) / len(outcomes)


def milliseconds(outcomes: list[Outcome]) -> dict[str, tuple[float, float]]:
    """Stage -> median and 95th percentile."""
    stages: dict[str, list[float]] = {}
    for one in outcomes:
        for heard in one.heard:
            for stage, seconds in heard.seconds.items():
                stages.setdefault(stage, []).append(1000 * seconds)
    return {k: (float(np.median(v)), float(np.quantile(v, 0.95))) for k, v in stages.items()}


def all_three(bundle: mmbm.Model, folder: Path) -> dict[str, float]:
    """Modalities -> share of the test rows, cut as in training, with all three targets right."""
    with (folder / "data.csv").open(encoding="utf-8") as file:
        test = [row for row in csv.DictReader(file) if row["split"] == "test"]
    modalities, scores = bundle.config.modalities(), {}
    for subset in all_subsets(list(modalities)):
        columns = [column for name in subset for column in modalities[name]]
        cells = [{column: row[column] for column in columns} for row in test]
        answers = bundle.predict(cells, root=folder)
        right = [all(a[k] == row[k] for k in Command._fields) for a, row in zip(answers, test)]
        scores["+".join(subset)] = sum(right) / len(right)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="where all of it goes")
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--scenes", type=int, default=300, help="in the stream")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="as of mmbm train")
    given = parser.parse_args()
    folder, begun = given.folder, time.monotonic()
    if not (folder / "data.csv").exists():
        data.make(folder, given.rows, given.seed)
        print(f"{given.rows:,} rows made in {time.monotonic() - begun:.0f} s")
    if not (folder / "run" / "bundle").exists():
        begun = time.monotonic()
        mmbm.train(folder / "config.yaml", run=folder / "run", overrides=given.set)
        print(f"trained in {time.monotonic() - begun:.0f} s")
    bundle = mmbm.load(folder / "run" / "bundle")
    print("All three targets right, test rows:")
    for subset, score in all_three(bundle, folder).items():
        print(f"  {subset:30} {score:.3f}")
    with broker(folder) as port, server(bundle.path, folder) as url:
        print("Commands understood and done, from the stream, in voices and rooms never met:")
        for name, new in (("known sentences", False), ("new sentences", True)):
            scenes = strangers(given.scenes, given.seed, new)
            outcomes = play(scenes, folder / f"{name.replace(' ', '-')}.wav", url, port)
            print(f"  {name:30} {share(outcomes):.3f} of {len(outcomes)}")
            for one in outcomes:
                if not one.right:
                    said = f"{one.scene.sentence} ({one.scene.voice})"
                    heard = [" ".join(h.command) for h in one.heard]
                    print(f"    {said}: {' '.join(one.scene.command)}, not {heard}")
            if not new:
                times = milliseconds(outcomes)
    print("Milliseconds (median, 95th percentile):")
    for stage, (median, most) in times.items():
        print(f"  {stage:30} {median:6.0f} {most:6.0f}")


if __name__ == "__main__":
    try:
        main()
    except MmbmError as error:
        sys.exit(str(error))
