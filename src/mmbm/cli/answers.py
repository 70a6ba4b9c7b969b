"""Commands that run a bundle: predictions, metrics, searches."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mmbm.cli.app import app
from mmbm.cli.common import (
    KEPT,
    BundlePath,
    Cache,
    Concurrency,
    Delimiter,
    Encoding,
    Json,
    Root,
    Runner,
    report,
)


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
    from mmbm.inference.predictor import load

    if compare and (table is None or base_url is None):
        raise typer.BadParameter("--compare needs a TABLE and --base-url.")
    opened = load(bundle, runner=runner)
    part = None if split == "all" else split
    metrics = opened.evaluate(table, part, root=root, encoding=encoding, delimiter=delimiter)
    if compare and base_url:
        from mmbm import llm as remote

        endpoint = remote.ChatClient(compare, base_url, concurrency, cache)
        metrics["compare"] = remote.compare(
            opened, table, part, endpoint, ask=ask, target=target, limit=limit
        )
    report(metrics, opened, json_)


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
    """Predict: one answer for each row, in order."""
    from mmbm.inference.output import Counted, label_separators, parse_cells, write_rows
    from mmbm.inference.predict import predict as answer
    from mmbm.inference.predictor import load

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
def diff(
    a: BundlePath,
    b: BundlePath,
    table: Annotated[Path | None, typer.Argument(help="Compare their answers to its rows.")] = None,
    split: Annotated[str, typer.Option(help="train, valid, test or all.")] = "test",
    root: Root = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    json_: Json = False,
) -> None:
    """Compare two bundles: settings, scores on the same rows, answers, size and speed."""
    from mmbm.data.reading import Reading
    from mmbm.inference.diff import diff as compare
    from mmbm.inference.diff import sentences
    from mmbm.inference.predictor import load

    part = None if split == "all" else split
    reading = Reading(root, encoding, delimiter)
    found = compare(load(a), load(b), table, part, reading)
    if json_:
        print(json.dumps(found, ensure_ascii=False))
        return
    for sentence in sentences(found):
        print(sentence)


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
    """Embed a table's rows for retrieval: mmbm search INDEX."""
    from mmbm.inference.predictor import load
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
    """The rows nearest to a given cell."""
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
