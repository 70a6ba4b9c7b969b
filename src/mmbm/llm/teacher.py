"""A teacher: a remote model fills a column of a table."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from mmbm import files
from mmbm.console import say
from mmbm.data.table import Table, open_table
from mmbm.errors import MmbmError, TableError
from mmbm.init.kinds import infer_kind
from mmbm.kinds.sample import Sample, sample_rows
from mmbm.llm.endpoint import ChatClient, Reply, read_reply
from mmbm.llm.estimate import Estimate, estimate
from mmbm.llm.parts import written
from mmbm.llm.question import Question


def label(
    table: Any,
    column: str,
    question: Question,
    endpoint: ChatClient,
    output: Path,
    agree: Callable[[Estimate], bool],
    *,
    show: Iterable[str] = (),
    limit: int | None = None,
) -> dict[str, int]:
    """Write `table` with `column` answered by a remote model, and `COLUMN.error` why it isn't.

    A cell that the column has already is kept and not requested. `show` names the columns that the
    model sees: all that `mmbm init` would take as inputs, if not given. `agree` is called with the
    cost.
    """
    opened = open_table(table)
    kinds = shown(opened, column, list(show))
    check_output(opened, output)
    there: list[Any] = (
        list(opened.cells(column)) if column in opened.names else [None] * opened.rows
    )
    rows = np.array([i for i, cell in enumerate(there) if written(cell) is None][:limit], int)
    requests = partial(endpoint.requests, question, opened, rows, kinds)
    if not agree(estimate(endpoint, question, requests())):
        raise MmbmError("Nothing was asked.")
    replies = endpoint.ask(requests(), len(rows))
    why: list[str | None] = [None] * opened.rows
    for i, reply in zip(rows, replies):
        there[i], why[i] = read_reply(question, reply)
    write(opened, output, column, there, why)
    failed = sum(error is not None for error in why)
    spent = [reply for reply in replies if isinstance(reply, Reply)]
    return {
        "rows": opened.rows, "asked": len(rows), "labelled": len(rows) - failed, "failed": failed,
        "tokens_in": sum(reply.tokens_in for reply in spent),
        "tokens_out": sum(reply.tokens_out for reply in spent),
    }  # fmt: skip


def told(done: dict[str, int], output: Path) -> str:
    return (
        f"Wrote {output}: {done['labelled']} of {done['asked']} rows labelled, {done['failed']} "
        f"with the reason why not; {done['tokens_in']} tokens read, {done['tokens_out']} written."
    )


def shown(table: Table, column: str, show: list[str]) -> dict[str, str]:
    """The kinds of the columns that the model sees."""
    rows, kinds = sample_rows(table.rows), {}
    for name in show or [n for n in table.names if n not in (column, f"{column}.error")]:
        found = infer_kind(Sample(table, name, rows))
        if found.kind or show:
            kinds[name] = found.kind or "text"
        else:
            say(f"{name} is not shown: {found.why}.")
    if not kinds:
        raise TableError(f"{table.source}: no column is left to show. Name some: --show COLUMN.")
    say(f"Shown: {', '.join(f'{name} ({kind})' for name, kind in kinds.items())}.")
    return kinds


def check_output(table: Table, output: Path) -> None:
    if output.suffix not in (".csv", ".jsonl", ".parquet"):
        raise MmbmError(f"{output}: rows are written as .csv, .jsonl or .parquet.")
    strange = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary)
    for name in table.names if output.suffix != ".parquet" else ():
        if any(check(table.column(name).type) for check in strange):
            raise MmbmError(f"{output}: column {name!r} is no text or number; write .parquet.")


def write(table: Table, output: Path, column: str, cells: list[Any], why: list[str | None]) -> None:
    """The table with the column's cells and, in another, why they are none."""
    columns = {name: table.column(name) for name in table.names}
    if all(isinstance(cell, float | None) for cell in cells):
        columns[column] = pa.array(cells, pa.float64())
    else:
        columns[column] = pa.array([written(cell) for cell in cells], pa.string())
    columns[f"{column}.error"] = pa.array(why, pa.string())
    made = pa.table(columns)
    with files.written(output) as part:
        if output.suffix == ".parquet":
            parquet.write_table(made, part)
        elif output.suffix == ".csv":
            csv.write_csv(made, part)
        else:
            with part.open("w", encoding="utf-8") as file:
                rows = (row for batch in made.to_batches(1024) for row in batch.to_pylist())
                file.writelines(json.dumps(r, ensure_ascii=False, default=str) + "\n" for r in rows)
    if output.resolve().parent != table.root.resolve():
        say(f"Paths in {output} are relative to {table.root}: data.root in a config says so.")
