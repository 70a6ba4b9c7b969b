"""Quickstart demo: a dataset of images, audio and text, and the ordinary commands run on it.

The answer depends on a handwritten digit, a spoken digit and a question about the two. No other
part of mmbm depends on this; `dataset.make` writes an ordinary folder.
"""

import shlex
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import mmbm
from mmbm.console import say
from mmbm.demo.dataset import WORDS, Row, make
from mmbm.demo.speech import language_of
from mmbm.errors import Interrupted, MissingExtra

TARGET = "answer"


class Outcome(NamedTuple):
    folder: Path
    rows: list[Row]
    bundle: mmbm.Model
    report: dict[str, Any]  # of the test split, in the format of `evaluate`
    seconds: float  # for all of it: data, training, evaluation, export

    def summary(self) -> dict[str, Any]:
        return {
            "accuracy": self.report["targets"][TARGET]["accuracy"],
            "subsets": {name: scores[TARGET] for name, scores in self.report["subsets"].items()},
            "seconds": round(self.seconds, 1),
            "bundle": str(self.bundle.path),
        }


def run(folder: Path, rows: int, seed: int, overrides: list[str] | None = None) -> Outcome:
    """Make the dataset in `folder`, train on it into `folder/run`, and evaluate the bundle."""
    try:
        import espeakng_loader  # noqa: F401
        import sklearn  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("The demo", "demo") from error
    start = time.monotonic()
    say(f"Making {rows:,} rows in {folder}: digits written by hand, digits spoken, questions.")
    table = make(folder, rows, seed)
    config, place = folder / "config.yaml", folder / "run"
    shutil.rmtree(place, ignore_errors=True)
    say(f"$ mmbm train {config} --run {place}")
    try:
        bundle = mmbm.train(config, run=place, overrides=overrides)
    except Interrupted as error:
        raise Interrupted("Stopped. `mmbm demo` starts again, on the dataset it made.") from error
    return Outcome(folder, table, bundle, bundle.evaluate(), time.monotonic() - start)


def present(outcome: Outcome, count: int = 5) -> None:
    """The metrics, some test rows with their answers, and next steps. To stdout."""
    from rich.console import Console
    from rich.table import Table

    from mmbm.inference.output import print_metrics

    console = Console(highlight=False)
    print_metrics(outcome.report, outcome.bundle)
    table = Table()
    for name in ("question", "seen", "heard", "right", "answered", "probabilities"):
        table.add_column(name, overflow="fold")  # Chinese has no spaces to break a line at
    chosen = [row for row in outcome.rows if row.split == "test"][:count]
    for row, answer in zip(chosen, answers(outcome, chosen)):
        language = language_of(row.voice)
        heard = f"{row.heard} ({WORDS[language][row.heard]}, {row.voice})"
        table.add_row(
            row.question, str(row.seen), heard, str(row.answer), answer[TARGET], likely(answer)
        )
    console.print(f"{len(chosen)} test rows, of pictures and voices that training has not met")
    console.print(table)
    console.print(f"Done in {outcome.seconds:.0f} s. Next, try:")
    for command in next_commands(outcome, chosen[0]):
        console.print(f"  {command}", markup=False, soft_wrap=True)


def answers(outcome: Outcome, rows: list[Row]) -> list[dict[str, Any]]:
    cells = [{name: getattr(row, name) for name in outcome.bundle.config.inputs} for row in rows]
    return outcome.bundle.predict(cells, root=outcome.folder, probabilities=True)


def likely(answer: dict[str, Any], count: int = 3) -> str:
    """The most probable classes: `12 0.97  11 0.01  21 0.01`."""
    prefix = f"{TARGET}.p."
    p = {k.removeprefix(prefix): v for k, v in answer.items() if k.startswith(prefix)}
    best = sorted(p, key=lambda name: -p[name])[:count]
    return "  ".join(f"{name} {p[name]:.2f}" for name in best)


def next_commands(outcome: Outcome, row: Row) -> list[str]:
    bundle = shlex.quote(str(outcome.bundle.path))
    cells = {
        "picture": str(outcome.folder / row.picture),
        "sound": str(outcome.folder / row.sound),
        "question": row.question,
    }
    given = " ".join(f"--cell {shlex.quote(f'{name}={cell}')}" for name, cell in cells.items())
    return [
        f"mmbm predict {bundle} {given} --explain",
        f"mmbm evaluate {bundle}",
        "mmbm init YOUR_TABLE.csv --target YOUR_COLUMN",
    ]
