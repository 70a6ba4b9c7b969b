"""Commands that serve, export or package a bundle."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mmbm.cli.app import app
from mmbm.cli.common import BundlePath, Json, Runner


@app.command()
def serve(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle folder.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Several bundles by name: NAME=BUNDLE. Repeat.")
    ] = None,
    index: Annotated[
        list[str] | None, typer.Option(help="To search; of several bundles NAME=INDEX. Repeat.")
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(help="Python between them: NAME=package.module:Class. Repeat."),
    ] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0: reachable from other machines.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="0: any free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Cores of a batch; all, shared among workers."),
    ] = None,
    runner: Runner = None,
    token_file: Annotated[Path | None, typer.Option(help="Its text is a bearer token.")] = None,
    log: Annotated[bool, typer.Option(help="A JSON line for each request, on stdout.")] = True,
    max_megabytes: Annotated[float, typer.Option(help="Largest body of a request.")] = 32,
    max_batch_megabytes: Annotated[float, typer.Option(help="Of /predict/batch.")] = 2000,
    max_pixels: Annotated[int, typer.Option(help="Largest picture, height × width.")] = 25_000_000,
    max_seconds: Annotated[float, typer.Option(help="Longest sound.")] = 600,
    max_rows: Annotated[int, typer.Option(min=1, help="Rows in one request.")] = 256,
    max_queue: Annotated[int, typer.Option(min=1, help="Rows that wait; beyond: 429.")] = 256,
    max_requests: Annotated[int, typer.Option(min=1, help="At once; beyond: 503.")] = 512,
    max_streams: Annotated[int, typer.Option(min=1, help="Clients that stream at once.")] = 16,
    max_pages: Annotated[int, typer.Option(min=1, help="Requests of open playgrounds.")] = 64,
    deadline: Annotated[float, typer.Option(help="Seconds to answer; beyond: 503.")] = 30,
    max_batch: Annotated[int, typer.Option(min=1, help="Rows that run together.")] = 32,
    batch_deadline: Annotated[
        float, typer.Option(help="Of /predict/batch, streams, open pages.")
    ] = 3600,
    min_rate: Annotated[float, typer.Option(min=1, help="Bytes a second of a slow client.")] = 1000,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Name of this server: example.org, or *. Repeat.")
    ] = None,
    cors: Annotated[
        list[str] | None, typer.Option(help="Origin whose pages may ask: https://… Repeat.")
    ] = None,
    root_path: Annotated[str, typer.Option(help="Path that a proxy puts before: /mine.")] = "",
    playground: Annotated[
        bool, typer.Option(help="Pages to try it; without them it starts sooner.")
    ] = True,
) -> None:
    """Serve bundles over HTTP, after their golden rows are verified."""
    from mmbm.serve.start import serve as run_server

    limits = {
        "megabytes": max_megabytes, "batch_megabytes": max_batch_megabytes, "pixels": max_pixels,
        "clip_seconds": max_seconds, "rows": max_rows, "queue": max_queue,
        "requests": max_requests, "streams": max_streams, "deadline": deadline, "batch": max_batch,
        "batch_deadline": batch_deadline, "rate": min_rate, "pages": max_pages,
    }  # fmt: skip
    run_server(
        bundle, models=model or (), host=host, port=port, workers=workers, threads=threads,
        token_file=token_file, log=log, runner=runner, indexes=index or (),
        agents=agent or (), allow_hosts=allow_host or (), cors=cors or (), root=root_path,
        playground=playground,
        **limits,
    )  # fmt: skip


@app.command()
def export(
    bundle: BundlePath,
    to: Annotated[str, typer.Option(help="onnx, openvino or litert.")],
    output: Annotated[
        Path | None, typer.Option("-o", help="Folder of the new bundle, or a file: model.onnx.")
    ] = None,
    precision: Annotated[str, typer.Option(help="float32, float16 or int8.")] = "float32",
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="How far a probability may move.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Measure metrics on it too.")] = None,
    split: Annotated[str, typer.Option(help="Of the table: train, valid, test or all.")] = "test",
    external: Annotated[bool, typer.Option(help="The file's weights in one beside it.")] = False,
    allow: Annotated[
        list[str] | None, typer.Option(help="Package the bundle may import from (litert).")
    ] = None,
    json_: Json = False,
) -> None:
    """Export the model to another runtime; written only if its answers match the bundle's."""
    from mmbm.api import load

    made = load(bundle, allow=allow or ()).export(
        to, output, precision=precision, tolerance=tolerance, table=table,
        split=None if split == "all" else split, external=external,
    )  # fmt: skip
    print(json.dumps(made.report, ensure_ascii=False) if json_ else f"{made}\nWrote {made.path}")


@app.command()
def package(
    bundle: BundlePath,
    output: Annotated[Path, typer.Option("-o", help="Folder to write.")],
    name: Annotated[str | None, typer.Option(help="The model's; the run's if not given.")] = None,
    wheel: Annotated[Path | None, typer.Option(help="A wheel of mmbm to install.")] = None,
) -> None:
    """Write a folder to build a container: Dockerfile, compose file, Kubernetes manifests."""
    from mmbm.console import say
    from mmbm.export.package import package as write
    from mmbm.inference.predictor import load

    write(load(bundle, verify=True), output, name, wheel)
    say(f"Wrote {output}. Next: docker compose -f {output / 'compose.yaml'} up --build")
