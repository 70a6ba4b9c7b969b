"""All of it: tables, three trainings, an index, a server; then voices never heard before ask.

    python run.py --folder assistant

Prints the share of requests that were understood and done, by kind of request.
"""

import argparse
import asyncio
import base64
import collections
import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import data
import numpy as np
import openai
from assistant import WORDS
from phrases import Asked, ask, is_chinese
from things import Thing, draw
from tools import Lights, World, data_uri

import mmbm
from mmbm.demo.speech import speak
from mmbm.errors import MmbmError

HERE = Path(__file__).parent
NAME = "assistant"


class Outcome(NamedTuple):
    asked: Asked
    answer: str

    @property
    def right(self) -> bool:
        said = re.sub(r"^> .*\n\n", "", self.answer)  # behind what was heard
        return said.startswith(tuple(expected(self.asked)))

    @property
    def found(self) -> list[int]:
        """Rows of the album that are shown."""
        return [int(row) for row in re.findall(r"!\[(\d+)\]", self.answer)]


def expected(asked: Asked) -> list[str]:
    """How a right answer begins."""
    chinese, meaning = is_chinese(asked.said), asked.meaning
    match meaning.tool:
        case "lights":
            tool = Lights(room=meaning.room, state=meaning.state)  # type: ignore[arg-type]
            return [asyncio.run(tool.run(World(None), chinese))]  # type: ignore[arg-type]
        case "search":
            text = Thing(meaning.colour, meaning.shape).named(chinese)
            return [f"这些是{text}：" if chinese else f"These I found for {text}:"]
        case "time":
            return ["现在是 " if chinese else "It is "]
        case "day":
            return ["今天是" if chinese else "Today is "]
        case "similar":
            return ["这些很像它：" if chinese else "These are like it:"]
        case "none":  # it says so, one way or another
            return [WORDS[name][chinese] for name in ("none", "unsure", "deaf")]
    return [meaning.reply or WORDS[meaning.tool][chinese]]


def scenes(count: int, seed: int) -> list[Asked]:
    generator = np.random.default_rng([seed, 3])
    return [ask(generator, "test") for _ in range(count)]


def talk(client: openai.OpenAI, asked: list[Asked], folder: Path, seed: int) -> list[Outcome]:
    """Each is said by a voice of the test split, after what was meant before, with its picture."""
    generator = np.random.default_rng([seed, 4])
    folder.mkdir(exist_ok=True)
    files = [folder / f"{i}.wav" for i in range(len(asked))]
    speak(data.utterance(one.said, "test", file, generator) for one, file in zip(asked, files))
    outcomes = []
    for one, file in zip(asked, files):
        sound = {"data": base64.b64encode(file.read_bytes()).decode(), "format": "wav"}
        parts: list[Any] = [{"type": "input_audio", "input_audio": sound}]
        if one.thing:
            picture = data_uri(draw(one.thing, generator))
            parts.append({"type": "image_url", "image_url": {"url": picture}})
        messages: list[Any] = [{"role": "user", "content": parts}]
        if one.before:
            earlier = {"role": "user", "content": one.before}
            messages = [earlier, {"role": "assistant", "content": "…"}, *messages]
        said = client.chat.completions.create(model=NAME, messages=messages)
        outcomes.append(Outcome(one, said.choices[0].message.content or ""))
    return outcomes


# ── the models and the server ────────────────────────────────────────────────────────────────────


def prepare(folder: Path, sizes: data.Sizes) -> None:
    """Whatever isn't there yet: the tables, the three bundles, the album's index."""
    if not (folder / "album.csv").exists():
        data.make(folder, sizes)
    for name in data.CONFIGS:
        run = folder / name
        if not (run / "bundle").exists():  # a run that was stopped goes on
            mmbm.train(folder / f"{name}.yaml", run=run, resume=run.exists())
    if not (folder / "index").exists():
        mmbm.load(folder / "album/bundle").index(folder / "album.csv", folder / "index")


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """`mmbm serve` on a free port; its URL."""
    models = [part for n in data.CONFIGS for part in ("--model", f"{n}={folder / n / 'bundle'}")]
    index = ["--index", f"album={folder / 'index'}", "--agent", f"{NAME}=assistant:Assistant"]
    options = ["--port", "0", "--no-log"]
    command = [sys.executable, "-m", "mmbm.cli", "serve", *models, *index, *options]
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    log = folder / "serve.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stderr=file, env={**os.environ, "PYTHONPATH": path})
    try:
        while not (ready := re.search(r"at (http://\S+)/predict", log.read_text())):
            if process.poll() is not None:
                raise MmbmError(f"The server didn't start: {log.read_text()}")
            time.sleep(0.1)
        yield ready[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def report(outcomes: list[Outcome], album: list[dict[str, str]]) -> dict[str, float]:
    """Shares of right answers: of all, of each tool; and of right pictures among those found."""
    of = collections.defaultdict(list)
    for one in outcomes:
        of[one.asked.meaning.tool].append(one.right)
        of["all"].append(one.right)
        if one.asked.meaning.tool == "search":
            wanted = (one.asked.meaning.colour, one.asked.meaning.shape)
            things = [(album[row - 1]["colour"], album[row - 1]["shape"]) for row in one.found]
            of["pictures"] += [thing == wanted for thing in things]
    return {name: float(np.mean(right)) for name, right in sorted(of.items())}


def main(folder: Path, sizes: data.Sizes, count: int, seed: int = 0) -> dict[str, float]:
    prepare(folder, sizes)
    with server(folder) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="-", max_retries=0)
        outcomes = talk(client, scenes(count, seed), folder / "said", seed)
    with (folder / "album.csv").open(encoding="utf-8") as file:
        return report(outcomes, list(csv.DictReader(file)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=300)
    chosen = parser.parse_args()
    for name, share in main(chosen.folder, data.Sizes(), chosen.requests).items():
        print(f"{name:10} {share:.3f}")
