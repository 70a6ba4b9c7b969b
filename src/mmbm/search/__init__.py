"""A table's embeddings in an embedded database (LanceDB), and the nearest rows to a cell. No torch.

An index is one Lance table: the rows' numbers, their plain cells for filters and to be shown, the
paths of their media, and an embedding for every column of a match; and in its metadata, which
bundle made it, since an embedding means nothing to another one.
"""

import contextlib
import csv
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmbm.bundle import Bundle, load
from mmbm.columns import Cell
from mmbm.columns.number import parse
from mmbm.config import Config
from mmbm.errors import BadCell, BundleError, MissingExtra, MmbmError, TableError
from mmbm.files import written
from mmbm.predict import CHUNK, Decoded, decode_row, encode
from mmbm.prepare import MEDIA, resolved
from mmbm.prepare.store import parallel
from mmbm.progress import say
from mmbm.reading import Reading, open_as_trained
from mmbm.search import seal
from mmbm.search.where import to_sql
from mmbm.table import Table

ROWS = "rows"
"""The Lance table's name."""
ROW = "mmbm_row"
"""Its field of row numbers, 1 the first. (Names of fields can't have a dot.)"""
MOST = 1000
"""Rows that one search gives at most."""
SAMPLE = 100
"""Searches that an approximate index is measured by, and how deep."""
DEPTH = 10
REFINED = 5
"""Times as many candidates as rows are asked for come from the approximate index; their embeddings
themselves are then compared, so that a score is a cosine and nothing rounded."""
FEWEST = 256
"""Rows below which an approximate index is refused: there is nothing to win."""


class About(NamedTuple):
    """What an index is of."""

    bundle: str  # its version
    path: str  # where it was
    target: str
    columns: list[str]  # of the match
    indexed: list[str]  # those of them that the table has
    shown: dict[str, str]  # column of the table -> field
    source: str
    rows: int


class Found(NamedTuple):
    """A row that is near."""

    row: int  # in the table, 1 is the first
    score: float  # cosine similarity
    cells: dict[str, Any]  # of its plain columns; of media, what the table says of them
    media: dict[str, str]  # column -> path of the file


# ── index ────────────────────────────────────────────────────────────────────────────────────────


def index(
    bundle: Bundle,
    table: Any,
    output: str | Path,
    *,
    target: str | None = None,
    root: str | Path | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    approximate: bool = False,
) -> "Index":
    """Embed every row of a table and write the index, in place of an older one.

    table: a path, or a pandas, polars or pyarrow table, with at least one column of the match; a
        cell of it may be empty.
    output: a folder, or what LanceDB understands: `s3://bucket/index`.
    target: the match whose space it is; the bundle's first one if not given.
    approximate: search by a graph (HNSW) instead of looking at every row; `recall` then says what
        that finds of what there is.

    Rows that can't be read are listed in quarantine.csv, in the folder or, of an object store, in
    the current one. Raises TableError if there is nothing to index.
    """
    name = match_of(bundle, target)
    opened = open_as_trained(bundle.config, table, Reading(root, encoding, delimiter))
    columns = bundle.config.matches[name].columns
    indexed = [column for column in columns if column in opened.names]
    if not indexed:
        raise TableError(
            f"{opened.source} has none of the columns of {name!r}: {', '.join(columns)}."
        )
    shown = fields(opened)
    about = About(
        bundle.version, str(bundle.path.resolve()), name, columns, indexed,
        {column: field.name for column, field in shown.items()}, opened.source, opened.rows,
    )  # fmt: skip
    database = connect(output, make=True)
    writer = Writer(bundle, opened, about, shown)
    batches = writer.batches()
    first = next(batches, None)
    if first is None:  # an older index stays
        quarantine(output, writer.bad)
        row, column, _, reason = writer.bad[0]
        raise TableError(
            f"{opened.source}: no row can be indexed; the first, row {row}, {column}: {reason}."
        )
    lance = database.create_table(
        ROWS, pa.RecordBatchReader.from_batches(writer.schema, chain([first], batches)),
        mode="overwrite", on_bad_vectors="null",  # an absent cell has none, and is not found
    )  # fmt: skip
    quarantine(output, writer.bad)
    made = Index(output, lance, about, bundle)
    if approximate:
        made.approximate()
    if not remote(output):
        seal.write(Path(output), ROWS)
    return made


def match_of(bundle: Bundle, target: str | None) -> str:
    matches = list(bundle.config.matches)
    if not matches:
        raise BundleError(
            f"{bundle.path} has no target of kind match, so its rows have no embeddings to search."
        )
    if target is not None and target not in matches:
        raise BundleError(f"{bundle.path} has no match {target!r}; it has {', '.join(matches)}.")
    return target or matches[0]


def fields(table: Table) -> dict[str, pa.Field]:
    """The columns that an index keeps, as its fields: texts, numbers and truth values. The cells of
    a csv are texts, so a column of numbers becomes one here. Raises TableError."""
    kept: dict[str, pa.Field] = {}
    untyped = Path(table.source).suffix.lower() in (".csv", ".tsv", ".txt")
    for name in table.names:
        kind = table.column(name).type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            kind = numbers(table.cells(name)) if untyped else pa.string()
        elif not (pa.types.is_boolean(kind) or is_number(kind)):
            continue  # bytes and lists
        field = name.replace(".", "_")
        if any(field.lower() == other.name.lower() for other in kept.values()):
            raise TableError(
                f"{table.source}: columns {name!r} and {field!r} would be one field of the index, "
                "where names have no dots and no capitals: rename one of them."
            )
        if field.startswith("mmbm_"):
            raise TableError(f"{table.source}: column {name!r}: an index has such names; rename it")
        kept[name] = pa.field(field, kind)
    return kept


def is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def numbers(cells: Iterable[Cell]) -> pa.DataType:
    """int64 or float64 if every cell that isn't empty is such a number, else string. What begins
    with a zero is a code."""
    whole, some = True, False
    for cell in cells:
        text = "" if cell is None else str(cell).strip()
        if not text:
            continue
        try:
            value = parse(text)
        except BadCell:
            return pa.string()
        if value is None:  # it says NA, or the like
            continue
        if len(text) > 1 and text[0] == "0" and text[1].isdigit():
            return pa.string()
        some, whole = True, whole and bool(re.fullmatch(r"-?\d{1,18}", text))
    return pa.string() if not some else pa.int64() if whole else pa.float64()


class Writer:
    """A table's rows as record batches, embedded chunk by chunk; `bad` lists those left out."""

    def __init__(self, bundle: Bundle, table: Table, about: About, shown: dict[str, pa.Field]):
        self.bundle, self.table, self.about, self.shown = bundle, table, about, shown
        self.bad: list[tuple[int, str, str, str]] = []  # row, column, path, reason
        inputs = bundle.config.inputs
        self.media = [column for column in about.indexed if inputs[column].kind in MEDIA]
        width = bundle.config.matches[about.target].width
        self.schema = pa.schema(
            [
                pa.field(ROW, pa.int64()),
                *shown.values(),
                *(pa.field(path_of(about, column), pa.string()) for column in self.media),
                *(
                    pa.field(vector_of(about, column), pa.list_(pa.float32(), width))
                    for column in about.indexed
                ),
            ],
            metadata={"mmbm": json.dumps(about._asdict(), ensure_ascii=False)},
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        cells = zip(*(self.table.cells(column) for column in self.about.indexed))
        numbered = enumerate((dict(zip(self.about.indexed, row)) for row in cells), 1)
        chunks = iter(lambda: list(islice(numbered, CHUNK)), [])
        for chunk in parallel(self._decode, chunks):
            good = [one for one in chunk if self._is_good(*one)]
            if good:
                yield self._batch(good)

    def _decode(self, rows: list) -> list[tuple[int, dict[str, Cell], Decoded]]:
        return [(i, row, decode_row(self.bundle, row, self.table.root)) for i, row in rows]

    def _is_good(self, number: int, row: dict[str, Cell], decoded: Decoded) -> bool:
        if decoded.error:
            column = decoded.column or ""
            place = resolved(row[column], self.table) if column in self.media else ""
            reason = decoded.error.removeprefix(f"{column}: ")
            self.bad.append((number, column, place, reason))
            return False
        if all(decoded.cells[column] is None for column in self.about.indexed):
            columns = ", ".join(self.about.indexed)
            self.bad.append((number, columns, "", "are empty: there is nothing to find it by"))
            return False
        return True

    def _batch(self, good: list[tuple[int, dict[str, Cell], Decoded]]) -> pa.RecordBatch:
        encoded = encode(self.bundle, [decoded for *_, decoded in good])
        z = self.bundle.runner.run("answer", encoded)[self.about.target]  # [B, M, D]
        rows = np.array([number for number, *_ in good]) - 1
        arrays: list[Any] = [pa.array(rows + 1)]
        for name, field in self.shown.items():
            arrays.append(typed(list(self.table.cells(name, rows)), field.type))
        for column in self.media:
            arrays.append(
                pa.array([resolved(row[column], self.table) or None for _, row, _ in good])
            )
        for column in self.about.indexed:
            vectors = z[:, self.about.columns.index(column)]
            there = [decoded.cells[column] is not None for *_, decoded in good]
            named = [v if has else None for v, has in zip(vectors, there)]
            arrays.append(pa.array(named, self.schema.field(vector_of(self.about, column)).type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def typed(cells: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):  # a picture that is a data URI is no text to show or to filter by
        cells = [None if c is None or c[:5].lower() == "data:" else c for c in cells]
    elif is_number(kind):
        cells = [_number(cell, pa.types.is_integer(kind)) for cell in cells]
    return pa.array(cells, kind)


def _number(cell: Any, whole: bool) -> int | float | None:
    """A cell of a csv is text here, one of another table a number; NaN is an absent one."""
    if isinstance(cell, str):
        value = parse(cell)
        return value if value is None or not whole else int(cell.strip())
    return None if cell is None or math.isnan(cell) else cell


def quarantine(output: str | Path, bad: list[tuple[int, str, str, str]]) -> None:
    """One line per row left out, as training writes it; and a sentence."""
    folder = Path() if remote(output) else Path(output)
    path = folder / "quarantine.csv"
    with written(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["row", "column", "path", "reason"], *bad])
    if bad:
        row, column, _, reason = bad[0]
        say(
            f"{len(bad)} rows are not in the index; the first is row {row}, {column}: {reason}. "
            f"All are listed in {path}."
        )


def path_of(about: About, column: str) -> str:
    return f"mmbm_path_{about.columns.index(column)}"


def vector_of(about: About, column: str) -> str:
    return f"mmbm_vector_{about.columns.index(column)}"


# ── search ───────────────────────────────────────────────────────────────────────────────────────


class Index:
    """An opened index and the bundle that made it."""

    def __init__(self, path: str | Path, lance: Any, about: About, bundle: Bundle):
        self.path, self.lance, self.about, self.bundle = path, lance, about, bundle

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r}: {len(self)} rows by {', '.join(self.about.indexed)})"

    def __len__(self) -> int:
        return self.lance.count_rows()

    @property
    def config(self) -> Config:
        return self.bundle.config

    def search(
        self,
        row: dict[str, Cell],
        k: int = 10,
        *,
        of: str | None = None,
        where: str | None = None,
        root: str | Path | None = None,
    ) -> list[Found]:
        """The k rows whose cells lie nearest, nearest first.

        row: one cell of the match's columns, `{"photo": "p.jpg"}`; of several, their mean.
        of: the column whose cells are searched; the first that isn't given if not said.
        where: a condition on the table's columns, "year > 2015 and shop = 'Oslo'"; see
            `mmbm.search.where`.
        """
        strange = sorted(set(row) - set(self.about.columns))
        if strange:
            raise MmbmError(
                f"{strange[0]!r} is no column of {self.about.target!r}; it has "
                f"{', '.join(self.about.columns)}."
            )
        decoded = decode_row(self.bundle, row, Path(root) if root else Path.cwd())
        if decoded.error:
            raise MmbmError(f"{decoded.error}.")
        z = self.bundle.runner.run("answer", encode(self.bundle, [decoded]))[self.about.target][0]
        there = [name for name in self.about.columns if decoded.cells[name] is not None]
        return self.nearest(dict(zip(there, z[[self.about.columns.index(n) for n in there]])), k,
                            of=of, where=where)  # fmt: skip

    def nearest(
        self,
        embeddings: dict[str, np.ndarray],
        k: int,
        *,
        of: str | None = None,
        where: str | None = None,
        exact: bool = False,
    ) -> list[Found]:
        """As `search`, from the embeddings of the cells that are given. `exact`: look at every row
        even where there is an approximate index."""
        if not embeddings:
            raise MmbmError(f"Give a cell to search by: {', '.join(self.about.columns)}.")
        if not 1 <= k <= MOST:
            raise MmbmError(f"k is a number of rows, from 1 to {MOST} (given: {k}).")
        query = np.mean(list(embeddings.values()), 0)
        query = query / max(float(np.linalg.norm(query)), 1e-12)
        field = vector_of(self.about, self._of(list(embeddings), of))
        asked = self.lance.search(query.astype(np.float32), vector_column_name=field)
        asked = asked.distance_type("cosine").limit(k)
        asked = asked.select([n for n in self.lance.schema.names if "mmbm_vector_" not in n])
        if where:
            asked = asked.where(to_sql(where, self.filters))
        asked = asked.bypass_vector_index() if exact else asked.refine_factor(REFINED)
        with damaged(self.path):
            return [self._found(row) for row in asked.to_list()]

    @property
    def filters(self) -> dict[str, pa.DataType]:
        """The columns that a condition may name, and what they hold."""
        schema = self.lance.schema
        return {name: schema.field(name).type for name in (ROW, *self.about.shown.values())}

    def _of(self, given: list[str], of: str | None) -> str:
        others = [name for name in self.about.indexed if name not in given]
        if of is None:
            return (others or self.about.indexed)[0]
        if of not in self.about.indexed:
            raise MmbmError(
                f"{self.path} has no embeddings of {of!r}; it has {', '.join(self.about.indexed)}."
            )
        return of

    def _found(self, row: dict[str, Any]) -> Found:
        cells = {name: row[field] for name, field in self.about.shown.items()}
        paths = {name: row.get(path_of(self.about, name)) for name in self.about.indexed}
        media = {name: path for name, path in paths.items() if path}
        return Found(row[ROW], 1 - row["_distance"], cells, media)

    def approximate(self) -> None:
        """Make a graph over every column's embeddings (HNSW, Malkov & Yashunin 2018)."""
        if len(self) < FEWEST:
            raise MmbmError(
                f"{self.path}: {len(self)} rows are searched exactly in no time; an approximate "
                f"index begins at {FEWEST}."
            )
        from lancedb.index import HnswSq

        for column in self.about.indexed:
            self.lance.create_index(
                vector_of(self.about, column), config=HnswSq(distance_type="cosine")
            )
        say(
            f"The approximate index finds {self.recall():.3f} of the {DEPTH} nearest cells that an "
            f"exact search finds ({SAMPLE} searches a column)."
        )

    def recall(self) -> float:
        """What part of the nearest cells a search finds, by cells of the index itself."""
        hits, total = 0, 0
        for column in self.about.indexed:
            field = vector_of(self.about, column)
            known = self.lance.search().select([field]).where(f"{field} is not null").to_arrow()
            places = np.linspace(0, len(known) - 1, min(SAMPLE, len(known))).astype(int)
            for query in known[field].take(places).to_pylist():
                one = {column: np.array(query, np.float32)}
                ours, best = (
                    [found.score for found in self.nearest(one, DEPTH, of=column, exact=exact)]
                    for exact in (False, True)
                )
                hits += sum(score >= best[-1] - 1e-6 for score in ours)  # twins are as near
                total += len(best)
        return hits / max(total, 1)


def load_index(path: str | Path, bundle: Bundle | str | Path | None = None) -> Index:
    """Open an index with the bundle that made it: the one given, or where it was then.

    Raises BundleError if the bundle isn't that one, MmbmError if there is no index.
    """
    database = connect(path)
    if not remote(path):
        seal.check(Path(path), ROWS)
    with damaged(path):
        lance = database.open_table(ROWS)
        about = About(**json.loads((lance.schema.metadata or {})[b"mmbm"]))
        check_about(about, lance.schema)
    if bundle is None:
        if not Path(about.path).is_dir():
            raise BundleError(
                f"{path} was made with the bundle {about.path}, which isn't there any more. Say "
                "where it is: --bundle"
            )
        bundle = about.path
    opened = bundle if isinstance(bundle, Bundle) else load(bundle)
    if opened.version != about.bundle:
        raise BundleError(
            f"{path} was made with version {about.bundle} of a bundle; {opened.path} is version "
            f"{opened.version}, whose embeddings are others. Search with that bundle (--bundle), "
            f"or index again: mmbm index {opened.path} {about.source} -o {path}"
        )
    index = Index(path, lance, about, opened)
    with damaged(path):
        spec = opened.config.matches[about.target]
        if spec.columns != about.columns:
            raise ValueError(f"{about.target} is of other columns")
        for column in about.indexed:  # what can't be read is seen now, and not in a request
            index.nearest({column: np.ones(spec.width, np.float32)}, 1, of=column)
    return index


def check_about(about: About, schema: pa.Schema) -> None:
    """Raises KeyError, TypeError or ValueError where it isn't what `index` writes."""
    texts = (about.bundle, about.path, about.target, about.source)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("its texts are none")
    if not about.indexed or not set(about.indexed) <= set(about.columns):
        raise ValueError("it is of no columns")
    for name in (ROW, *about.shown.values(), *(vector_of(about, c) for c in about.indexed)):
        schema.field(name)
    if any(name.startswith("mmbm_") for name in about.shown.values()):
        raise ValueError("it shows a column that it may not")


@contextlib.contextmanager
def damaged(path: str | Path) -> Iterator[None]:
    """What an index raises whose files are not what was written."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, OSError) as error:
        why = re.sub(r",? ?\S+\.rs:\d+(:\d+)?", "", str(error)).strip() or "unreadable"
        raise MmbmError(
            f"{path} is no index of mmbm, or it is damaged "
            f"({why.splitlines()[0][:200]}). Make it again: mmbm index BUNDLE TABLE -o {path}"
        ) from error


def connect(path: str | Path, make: bool = False) -> Any:
    """LanceDB's connection to a folder or an object store. Raises MissingExtra, MmbmError."""
    for log in ("LANCE_LOG", "LANCEDB_LOG"):  # it warns of every table that it makes
        os.environ.setdefault(log, "error")
    try:
        import lancedb
    except ModuleNotFoundError as error:
        raise MissingExtra("Searching", "search") from error
    if not remote(path):
        folder = Path(path)
        if not make and not folder.is_dir():
            raise MmbmError(f"There is no index at {path}. Make one: mmbm index BUNDLE TABLE -o …")
        if make and folder.exists() and not _may_be_written(folder):
            raise MmbmError(f"{path} is there, and is no index: choose another -o.")
    return lancedb.connect(str(path))


def _may_be_written(folder: Path) -> bool:
    """An index, or empty; a failed one left only its quarantine."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    return f"{ROWS}.lance" in names or names <= {"quarantine.csv"}


def remote(path: str | Path) -> bool:
    return "://" in str(path)
