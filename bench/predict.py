"""How soon a bundle answers, and how much of the bare onnxruntime session's speed is left.

The first table is a fresh process: `mmbm.load` and one prediction, in seconds and against a process
that only imports numpy, onnxruntime and pyarrow. The second is batch prediction: `predict` against
the bare session on the same arrays in the same batches, with and without the decoding.
"""

import itertools
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from made import picture, sentence, sound
from side_by_side import Ratio, options, show, speed

import mmbm
from mmbm.api import Model
from mmbm.inference import predictor as predict
from mmbm.inference.predict import CHUNK, Decoded, answer_rows, batched, decode_row
from mmbm.inference.runners import flatten

FIRST = "import mmbm, sys; mmbm.load({path!r}).predict({row!r}); assert 'torch' not in sys.modules"
IMPORTS = "import numpy, onnxruntime, pyarrow"


def make(folder: Path, rows: int) -> list[dict]:
    """Media files and rows that name them."""
    generator = np.random.default_rng(0)
    made = []
    for i in range(rows):
        photo, speech = folder / f"{i}.jpg", folder / f"{i}.wav"
        photo.write_bytes(picture(generator, 160, 120, "JPEG"))
        speech.write_bytes(sound(generator, 1.0, 16000))
        made.append({"photo": str(photo), "speech": str(speech), "remark": sentence(generator)})
    return made


def train(folder: Path, rows: list[dict]) -> Model:
    """One epoch: what it answers doesn't matter here, how fast it does."""
    config = {
        "data": {"split": {"valid": 0.2, "test": 0.0}},
        "inputs": {
            "photo": "image",
            "speech": {"kind": "audio", "encoder": "rnn"},
            "remark": "text",
        },
        "targets": {"label": "category"},
        "train": {"epochs": 1, "threads": 1},
    }
    table = [{**row, "label": str(i % 10)} for i, row in enumerate(rows)]
    return mmbm.train(config, table=table, run=folder / "run")


def start(bundle: Path, row: dict, turns: int) -> tuple[Ratio, float]:
    """A fresh process up to its first answer: against the imports alone, and in seconds."""
    first = FIRST.format(path=str(bundle), row=row)
    ratio = speed(
        "load + first prediction / imports",
        lambda _: python(first), lambda _: python(IMPORTS),
        1, "processes/s", turns=turns, inside=False,
    )  # fmt: skip
    inside = "import time; t = time.perf_counter(); " + first + "; print(time.perf_counter() - t)"
    seconds = statistics.median(float(python(inside)) for _ in range(turns))
    return ratio, seconds


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, stdout=-1, text=True).stdout


def batches(bundle: Model, rows: list[dict], turns: int) -> list[Ratio]:
    answers = bundle.answers
    parts = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
    decoded = [[decode_row(bundle, row, Path()) for row in part] for part in parts]
    arrays = [together(bundle, part) for part in decoded]
    runner = bundle.runner
    runner.run("answer", runner.run("encode", arrays[0]))  # the sessions are open now
    encode, _, outputs = runner._sessions["encode"]  # type: ignore[attr-defined]
    answer = runner._sessions["answer"][0]  # type: ignore[attr-defined]
    taken = [i.name for i in answer.get_inputs()]

    def session(part: dict[str, np.ndarray]) -> None:
        encoded = dict(zip(outputs, encode.run(outputs, part)))
        answer.run(None, {name: encoded[name] for name in taken})

    def answered(_: int) -> None:
        for part in decoded:
            answer_rows(bundle, answers, predict.encode(bundle, part), False, 0.0, False)

    def bare(_: int) -> None:
        for part in arrays:
            session(part)

    def bare_decoded(_: int) -> None:
        with ThreadPoolExecutor() as pool:
            for part in pool.map(lambda p: [decode_row(bundle, row, Path()) for row in p], parts):
                session(together(bundle, part))

    graphs = speed("graphs: rows decoded before", answered, bare, len(rows), "rows/s", 0.9, turns)
    whole = speed(
        "whole: files to answers", lambda _: bundle.predict(rows), bare_decoded,
        len(rows), "rows/s", 0.9, turns,
    )  # fmt: skip
    return [graphs, whole]


def together(bundle: Model, part: list[Decoded]) -> dict[str, np.ndarray]:
    return flatten(batched(bundle, part), bundle.columns)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = make(Path(folder), given.rows)
        bundle = train(Path(folder), list(itertools.islice(rows, 160)))
        ratio, seconds = start(bundle.path, rows[0], given.turns)
        ratios = batches(mmbm.load(bundle.path, threads=1), rows, given.turns)
    show(
        f"fresh process: {seconds:.2f} s to the first answer (promised ≤ 1 s)", [ratio], given.json
    )
    show("batch prediction: mmbm / bare onnxruntime session", ratios, given.json)


if __name__ == "__main__":
    main()
