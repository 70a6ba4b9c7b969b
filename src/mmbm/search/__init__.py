"""Vector search: a table's embeddings in an embedded database (LanceDB). No torch.

An index is one Lance table: the rows' numbers, their plain cells for filters and to be shown, the
paths of their media, and an embedding for every column of a contrastive target; and in its metadata
the bundle that made it, since embeddings of different bundles aren't comparable.

    writer.py  a table's rows as its record batches      where.py  conditions on its columns
    seal.py    its files and their hashes
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmbm.config import Config
from mmbm.console import say
from mmbm.data.reading import Reading, open_as_trained
from mmbm.errors import BundleError, MissingExtra, MmbmError, TableError
from mmbm.inference.predict import decode_row, encode
from mmbm.inference.predictor import Predictor, load
from mmbm.kinds.column import Cell
from mmbm.search import seal
from mmbm.search.where import to_sql
from mmbm.search.writer import ROW, About, Writer, fields, path_of, quarantine, remote, vector_of

ROWS = "rows"
"""The Lance table's name."""
MOST = 1000
"""Maximum rows per search."""
SAMPLE = 100
"""Searches that measure an approximate index, and their depth."""
DEPTH = 10
REFINED = 5
"""Factor of candidates from the approximate index per requested row; their embeddings are then
compared exactly, so that a score is an unrounded cosine."""
FEWEST = 256
"""Rows below which an approximate index is refused: it would save no time."""


class Found(NamedTuple):
    """A search result."""

    row: int  # in the table, 1 is the first
    score: float  # cosine similarity
    cells: dict[str, Any]  # of its plain columns; of media, the table's value
    media: dict[str, str]  # column -> path of the file


# ── index ────────────────────────────────────────────────────────────────────────────────────────


def index(
    bundle: Predictor,
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

    table: a path, or a pandas, polars or pyarrow table, with at least one column of the
        contrastive target; a cell of it may be empty.
    output: a folder, or a URI of LanceDB: `s3://bucket/index`.
    target: the contrastive target whose space it is; the bundle's first one if not given.
    approximate: search by a graph (HNSW) instead of a full scan; `recall` is then the fraction
        of true neighbors that it finds.

    Rows that can't be read are listed in quarantine.csv, in the folder or, of an object store,
    in the current one. Raises TableError if there is nothing to index.
    """
    name = match_of(bundle, target)
    opened = open_as_trained(bundle.config, table, Reading(root, encoding, delimiter))
    columns = bundle.config.contrastive[name].columns
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
        mode="overwrite", on_bad_vectors="null",  # an absent cell has none, and is never a result
    )  # fmt: skip
    quarantine(output, writer.bad)
    made = Index(output, lance, about, bundle)
    if approximate:
        made.approximate()
    if not remote(output):
        seal.write(Path(output), ROWS)
    return made


def match_of(bundle: Predictor, target: str | None) -> str:
    contrastive = list(bundle.config.contrastive)
    if not contrastive:
        raise BundleError(
            f"{bundle.path} has no target of kind contrastive, so its rows have no embeddings "
            "to search."
        )
    if target is not None and target not in contrastive:
        raise BundleError(
            f"{bundle.path} has no contrastive target {target!r}; it has {', '.join(contrastive)}."
        )
    return target or contrastive[0]


# ── search ───────────────────────────────────────────────────────────────────────────────────────


class Index:
    """An opened index and the bundle that made it."""

    def __init__(self, path: str | Path, lance: Any, about: About, bundle: Predictor):
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

        row: one cell of the contrastive target's columns, `{"photo": "p.jpg"}`; of several,
            their mean.
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
        served: bool = False,
    ) -> list[Found]:
        """As `search`, from the embeddings of the cells that are given.

        exact: scan every row even if there is an approximate index.
        served: only `told` columns, for clients that may not see paths of files.
        """
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
            asked = asked.where(to_sql(where, self.filters(served)))
        asked = asked.bypass_vector_index() if exact else asked.refine_factor(REFINED)
        with damaged(self.path):
            shown = self.told if served else self.about.shown
            return [self._found(row, shown) for row in asked.to_list()]

    @property
    def told(self) -> dict[str, str]:
        """The columns, and their fields, that a server may return: not paths of media."""
        inputs = self.config.inputs
        media = {name for name, spec in inputs.items() if spec.is_media}
        return {name: field for name, field in self.about.shown.items() if name not in media}

    def filters(self, served: bool) -> dict[str, pa.DataType]:
        """The columns that a condition may name, and their types."""
        schema, shown = self.lance.schema, self.told if served else self.about.shown
        return {name: schema.field(name).type for name in (ROW, *shown.values())}

    def _of(self, given: list[str], of: str | None) -> str:
        others = [name for name in self.about.indexed if name not in given]
        if of is None:
            return (others or self.about.indexed)[0]
        if of not in self.about.indexed:
            raise MmbmError(
                f"{self.path} has no embeddings of {of!r}; it has {', '.join(self.about.indexed)}."
            )
        return of

    def _found(self, row: dict[str, Any], shown: dict[str, str]) -> Found:
        cells = {name: row[field] for name, field in shown.items()}
        paths = {name: row.get(path_of(self.about, name)) for name in self.about.indexed}
        media = {name: path for name, path in paths.items() if path}
        return Found(row[ROW], 1 - row["_distance"], cells, media)

    def approximate(self) -> None:
        """Build an HNSW index over every column's embeddings (Malkov & Yashunin 2018)."""
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
        """Recall of approximate search, with cells of the index itself as queries."""
        hits, total = 0, 0
        for column in self.about.indexed:
            field = vector_of(self.about, column)
            known = self.lance.search().select([ROW]).where(f"{field} is not null").to_arrow()
            rows = np.sort(known[ROW].to_numpy())  # their numbers: no vector is read for it
            places = np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int)
            named = ", ".join(map(str, rows[places].tolist()))
            some = self.lance.search().select([field]).where(f"{ROW} in ({named or -1})")
            for query in some.to_arrow()[field].to_pylist():
                one = {column: np.array(query, np.float32)}
                ours, best = (
                    [found.score for found in self.nearest(one, DEPTH, of=column, exact=exact)]
                    for exact in (False, True)
                )
                hits += sum(score >= best[-1] - 1e-6 for score in ours)  # duplicates are as near
                total += len(best)
        return hits / max(total, 1)


def load_index(path: str | Path, bundle: Predictor | str | Path | None = None) -> Index:
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
                "where it is: --bundle PATH, in Python load_index(…, bundle=PATH)."
            )
        bundle = about.path
    opened = bundle if isinstance(bundle, Predictor) else load(bundle)
    if opened.version != about.bundle:
        raise BundleError(
            f"{path} was made with version {about.bundle} of a bundle; {opened.path} is version "
            f"{opened.version}, whose embeddings are others. Search with that bundle "
            "(--bundle, in Python bundle=), or index again: mmbm index "
            f"{opened.path} {about.source} -o {path}"
        )
    index = Index(path, lance, about, opened)
    with damaged(path):
        spec = opened.config.contrastive[about.target]
        if spec.columns != about.columns:
            raise ValueError(f"{about.target} is of other columns")
        for column in about.indexed:  # unreadable files fail here, and not in a request
            index.nearest({column: np.ones(spec.width, np.float32)}, 1, of=column)
    return index


def check_about(about: About, schema: pa.Schema) -> None:
    """Raises KeyError, TypeError or ValueError if `index` didn't write it."""
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
    """Exceptions of an index whose files were changed."""
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
    for log in ("LANCE_LOG", "LANCEDB_LOG"):  # it warns about every table that it creates
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
