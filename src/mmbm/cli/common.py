"""Arguments, options and output that several commands have."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

ConfigPath = Annotated[Path, typer.Argument(help="A YAML config.")]
BundlePath = Annotated[Path, typer.Argument(help="A bundle folder.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override a setting: train.epochs=5.")]
Runner = Annotated[
    str | None, typer.Option(help="onnx, openvino or litert; the bundle's own if not given.")
]
Concurrency = Annotated[int, typer.Option(min=1, help="Requests under way at once.")]
Cache = Annotated[Path, typer.Option(help="File that keeps remote answers.")]
KEPT = Path("runs/remote.sqlite")
Root = Annotated[
    Path | None, typer.Option(help="Folder of media paths; by default as in training.")
]
Encoding = Annotated[
    str | None, typer.Option(help="Of a csv: utf-8, gbk, cp1252 …; by default as in training.")
]
Delimiter = Annotated[
    str | None, typer.Option(help="Of a csv, one character; by default as in training.")
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def report(metrics: dict[str, Any], bundle: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(metrics, ensure_ascii=False))
        return
    from mmbm.inference.output import print_metrics

    print_metrics(metrics, bundle)
