"""Answers and metrics on the terminal and in files."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from mmbm.errors import MmbmError
from mmbm.files import written
from mmbm.inference.predictor import Predictor
from mmbm.kinds.answer import NOT_SURE, Joins
from mmbm.kinds.category.column import text

Row = dict[str, Any]
CHUNK = 4096
"""Rows of a parquet file that are written together."""


def parse_cells(cells: list[str]) -> Row:
    """`photo=p.jpg` texts -> one row."""
    row = {}
    for cell in cells:
        name, equals, value = cell.partition("=")
        if not equals:
            raise MmbmError(f"--cell {cell!r}: write it as COLUMN=VALUE, for example photo=p.jpg.")
        row[name] = value
    return row


def named_cells(arguments: list[str], columns: list[str]) -> Row:
    """`--photo p.jpg`, `--en="a cat"`: options named after columns -> one row."""
    row, rest = {}, list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        column = name.removeprefix("--")
        if not name.startswith("--") or column not in columns:
            there = ", ".join(f"--{column}" for column in columns)
            raise MmbmError(f"There is no option {name!r} here. A cell to search by: {there}.")
        if not equals and not rest:
            raise MmbmError(f"{name} needs a value: {name} VALUE.")
        row[column] = value if equals else rest.pop(0)
    return row


def print_found(found: list[Any]) -> None:
    """Rows of a search, nearest first: number, similarity, cells."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not found:
        console.print("Nothing is found.")
        return
    table = Table("row", "score", *found[0].cells)
    for one in found:
        cells = ("" if cell is None else str(cell) for cell in one.cells.values())
        table.add_row(str(one.row), f"{one.score:.4f}", *cells)
    console.print(table)


class Counted:
    """Rows on their way to a file: counts all rows, and those with errors."""

    def __init__(self, rows: Iterable[Row]):
        self._rows, self.rows, self.failed = rows, 0, 0
        self.first = ""

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.rows += 1
            if row["error"] is not None:
                self.first = self.first or f"row {self.rows}: {row['error']}"
                self.failed += 1
            yield row

    def sentence(self) -> str:
        return (
            f"{self.failed} rows can't be read, of {self.rows}; see the error column. The first is "
            f"{self.first}."
        )


def write_rows(
    rows: Iterable[Row], path: Path | None, separators: Mapping[str, str | None] | None = None
) -> int:
    """Stream rows to a file, in its extension's format, or as JSON lines to stdout. Returns the
    number of rows with errors.

    separators: see `label_separators`.
    """
    failed = 0

    def counted() -> Iterator[Row]:
        nonlocal failed
        for row in rows:
            failed += row["error"] is not None
            yield row

    if path is None:
        _jsonl(counted(), sys.stdout)
        return failed
    writers = {
        ".jsonl": _jsonl_file,
        ".csv": partial(_csv_file, separators=separators or {}),
        ".parquet": _parquet_file,
    }
    if path.suffix not in writers:
        raise MmbmError(f"{path}: answers are written as .csv, .jsonl or .parquet.")
    with written(path) as part:
        writers[path.suffix](counted(), part)
    return failed


def label_separators(bundle: Predictor) -> dict[str, str | None]:
    """For each labels target its separator in a csv; None: a JSON list."""
    answers = bundle.answers.items()
    return {name: answer.joined_by for name, answer in answers if isinstance(answer, Joins)}


def _jsonl(rows: Iterable[Row], file: IO[str]) -> None:
    for row in rows:
        file.write(
            json.dumps({k: v for k, v in row.items() if v is not None}, ensure_ascii=False) + "\n"
        )


def _jsonl_file(rows: Iterable[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        _jsonl(rows, file)


def _csv_file(rows: Iterable[Row], path: Path, separators: Mapping[str, str | None]) -> None:
    """The header is that of the first answered row; rows before it have only an error."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for row, header, first in _with_header(rows):
            writer = csv.DictWriter(file, header)
            if first:
                writer.writeheader()
            writer.writerow({k: csv_cell(v, separators.get(k, ";")) for k, v in row.items()})


def csv_cell(value: Any, separator: str | None = ";") -> Any:
    """Labels joined, or a JSON list if one of them holds the separator or there is none; word times
    and embeddings as JSON."""
    if not isinstance(value, list):
        return value
    if separator is None or any(isinstance(item, dict | float) for item in value):
        return json.dumps(value, ensure_ascii=False)
    labels = [text(item) for item in value]
    if any(separator in label for label in labels):
        return json.dumps(labels, ensure_ascii=False)
    return separator.join(labels)


def _parquet_file(rows: Iterable[Row], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    writer, waiting, schema = None, [], None
    for row, header, _ in _with_header(rows):
        waiting.append({name: row.get(name) for name in header})
        if len(waiting) >= CHUNK and header != ["error"]:
            schema = schema or schema_of(waiting, header)
            writer = writer or parquet.ParquetWriter(path, schema)
            writer.write_table(pa.Table.from_pylist(typed(waiting, schema), schema))
            waiting = []
    schema = schema or schema_of(waiting, list(waiting[0]) if waiting else ["error"])
    with writer or parquet.ParquetWriter(path, schema) as writer:
        writer.write_table(pa.Table.from_pylist(typed(waiting, schema), schema))


def schema_of(rows: list[Row], header: list[str]) -> Any:
    """Schema of columns from their first rows. A column of classes that are truth values or numbers
    has their type, although "not sure" may be among them."""
    import pyarrow as pa

    types = {}
    for name in header:
        said = [row[name] for row in rows if row.get(name) is not None and row["error"] is None]
        sure = next((value for value in said if value not in (NOT_SURE, [NOT_SURE], [])), None)
        types[name] = arrow_type(name, sure if sure is not None else next(iter(said), None))
    return pa.schema(types | ({"error": pa.string()} if "error" in types else {}))


def typed(rows: list[Row], schema: Any) -> list[Row]:
    """Rows for a schema: null in place of "not sure" where a column is not text."""
    import pyarrow as pa

    def of(kind: Any) -> Any:
        return kind.value_type if pa.types.is_list(kind) else kind

    plain = {f.name for f in schema if not pa.types.is_string(of(f.type))}
    return [
        {k: None if k in plain and v in (NOT_SURE, [NOT_SURE]) else v for k, v in row.items()}
        for row in rows
    ]


def arrow_type(name: str, value: Any) -> Any:
    """Type of a column by its first value; an empty list or None, of a silence, has no type."""
    import pyarrow as pa

    if ".embedding." in name and not isinstance(value, float):  # may be absent from many rows
        return pa.list_(pa.float32())
    if isinstance(value, list):
        word = pa.struct({"word": pa.string(), "start": pa.float64(), "end": pa.float64()})
        if any(isinstance(item, float) for item in value):
            return pa.list_(pa.float32())
        labels = any(isinstance(item, str) for item in value)
        if value and isinstance(value[0], bool | int):
            return pa.list_(pa.scalar(value[0]).type)
        return pa.list_(word if name.endswith(".times") and not labels else pa.string())
    return pa.string() if value is None else pa.scalar(value).type


def _with_header(rows: Iterable[Row]) -> Iterator[tuple[Row, list[str], bool]]:
    """(row, columns, is the first): rows wait for the first answered one, which has the columns."""
    waiting: list[Row] = []
    header: list[str] | None = None
    for row in rows:
        waiting.append(row)
        if header is None and row["error"] is not None:
            continue
        first, header = header is None, header or list(row)
        for i, one in enumerate(waiting):
            yield one, header, first and i == 0
        waiting = []
    for i, one in enumerate(waiting):
        yield one, ["error"], i == 0


def print_pairs(console: Any, scores: Row) -> None:
    """For a contrastive target, each ordered pair of columns with chance, and its zero-shot."""
    from rich.table import Table

    names = list(scores["chance"])
    table = Table("from → to", *names, "median rank", "cells", caption="In brackets: by chance.")
    for pair, one in scores["pairs"].items():
        recalls = (f"{one[name]:.4f} ({one['chance'][name]:.4f})" for name in names)
        arrow = pair.replace("->", " → ")
        table.add_row(arrow, *recalls, f"{one['median_rank']:g}", f"{one['candidates']}")
    console.print(table)
    classes = scores.get("zero_shot", {})
    if "accuracy" in classes:
        low, high = classes["interval"]
        console.print(
            f"Zero-shot: accuracy {classes['accuracy']:.4f} (95 % {low:.4f} – {high:.4f}) among "
            f"{classes['classes']} classes; by chance {classes['chance']:.4f}, the most frequent "
            f"class {classes['most']:.4f}."
        )


def print_metrics(report: Row, bundle: Predictor) -> None:
    from rich.console import Console
    from rich.table import Table

    from mmbm.inference.evaluate import warnings

    console = Console(highlight=False)
    answers = bundle.answers
    console.print(f"{report['rows']} rows")
    for name, answer in answers.items():
        scores = report["targets"][name]
        table = Table("metric", "value", title=name, title_justify="left")
        for key, value in scores.items():
            if isinstance(value, float):
                name = "interval" if key == answer.main.name else f"{key}_interval"
                low, high = scores.get(name, (None, None))
                interval = "" if low is None else f"   95 % {low:.4f} – {high:.4f}"
                table.add_row(key, f"{value:.4f}{interval}")
        console.print(table)
        if "pairs" in scores:
            print_pairs(console, scores)
    parted = {n: a for n, a in answers.items() if n not in bundle.config.contrastive}
    if parted and report["subsets"]:
        table = Table("modalities", *(f"{n} {a.main.name}" for n, a in parted.items()))
        for subset, scores in report["subsets"].items():
            table.add_row(subset, *(f"{scores[n]:.4f}" if n in scores else "–" for n in parted))
        console.print(table)
    for warning in warnings(report, bundle.config, bundle.columns):
        console.print(warning)
    if "compare" in report:
        print_compared(console, report["compare"])


def print_compared(console: Any, said: Row) -> None:
    """The bundle compared with a remote model, on the same rows."""
    from rich.table import Table

    if said["unanswered"]:
        console.print(f"{said['model']}: {said['unanswered']} rows unanswered; {said['why']}.")
    if "metrics" not in said:
        return
    title = f"{said['target']}, {said['rows']} rows"
    table = Table("metric", "bundle", said["model"], title=title, title_justify="left")
    for name, value in said["metrics"].items():
        if isinstance(value, float):
            table.add_row(name, f"{said['bundle'][name]:.4f}", f"{value:.4f}")
    console.print(table)
    gap, (low, high) = said["difference"], said["difference"]["interval"]
    console.print(
        f"{gap['metric']}: {gap['value']:+.4f} for the bundle (95 % {low:+.4f} – {high:+.4f})."
    )
