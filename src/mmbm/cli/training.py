"""Training, and the demo."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mmbm.cli.app import app
from mmbm.cli.common import ConfigPath, Json, Set, report
from mmbm.errors import MissingExtra


@app.command()
def train(
    config: ConfigPath,
    resume: Annotated[
        bool, typer.Option(help="Go on with an unfinished run; show a finished one.")
    ] = False,
    start: Annotated[Path | None, typer.Option("--from", help="Go on from this bundle.")] = None,
    baselines: Annotated[bool, typer.Option(help="Also train each modality alone.")] = False,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; runs/NAME if not given.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="Package a bundle may import from.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="How much to try: quick, balanced or best.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Time it may take, 1 or more.")] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes of this machine that train together.")
    ] = 1,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Train a model and write its bundle to runs/NAME/bundle."""
    from mmbm.api import train as run_training

    if processes > 1:
        in_processes(processes)
    bundle = run_training(
        config,
        overrides=[
            *(set_ or []),
            *([f"train.preset={preset}"] if preset else []),
            *([f"train.minutes={minutes}"] if minutes is not None else []),
        ],
        run=run,
        resume=resume,
        start=start,
        baselines=baselines,
        allow=allow or (),
    )
    if os.environ.get("RANK", "0") != "0":  # the first process reports
        return
    metrics = bundle.metrics
    split = next((s for s in ("test", "valid", "out_of_fold") if s in metrics), None)
    if json_ or split:  # else the folds have reported themselves
        report(metrics[split] if split else metrics, bundle, json_)
    if not json_:
        from mmbm.training.summary import summary  # with torch, which training needs first

        for sentence in summary(bundle.config, bundle.columns, metrics):
            print(sentence)
        print(f"Bundle: {bundle.path}")


def in_processes(count: int) -> NoReturn:
    """Run this same command in so many processes, and return their exit status."""
    try:
        from mmbm.training.distributed import launch
    except ModuleNotFoundError as error:
        raise MissingExtra("Training", "train") from error
    own = sys.argv[1:]
    at = next(i for i, word in enumerate(own) if word.split("=")[0] == "--processes")
    raise typer.Exit(launch(count, own[:at] + own[at + (1 if "=" in own[at] else 2) :]))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where dataset, config and run go.")] = Path("demo"),
    rows: Annotated[int, typer.Option(min=50, help="Rows to make.")] = 6000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rows.")] = 7,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Quickstart: handwritten digits, spoken digits, questions about them; about 90 seconds."""
    from mmbm.demo import present, run

    outcome = run(folder, rows, seed, set_)
    if json_:
        print(json.dumps(outcome.summary(), ensure_ascii=False))
    else:
        present(outcome)
