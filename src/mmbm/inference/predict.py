"""Prediction: rows -> answers, in order. An unreadable row gets an `error`, the others answers."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmbm.cells.media import locate
from mmbm.cells.values import single
from mmbm.config import Config
from mmbm.console import say
from mmbm.data.overlap import choose_rows, members, overlap_notes, row_digests
from mmbm.data.prepare import PROBED, Data, assemble, check_columns, decode
from mmbm.data.reading import AS_TRAINED, Reading, open_as_trained
from mmbm.data.split import NAMES, split_rows
from mmbm.data.store import ColumnStore, decode_cell, parallel
from mmbm.data.table import Table
from mmbm.data.unseen import Tally, unseen
from mmbm.errors import BadCell, BundleError, MmbmError, TableError
from mmbm.inference.attributions import contributions
from mmbm.inference.generation import TextGenerator
from mmbm.inference.runners import Named, flatten
from mmbm.kinds.answer import NOT_SURE, Answer
from mmbm.kinds.column import Arrays, Cell, collate
from mmbm.kinds.text.answer import Pieces
from mmbm.kinds.text.column import TextColumn

if TYPE_CHECKING:
    from mmbm.inference.predictor import Predictor

CHUNK = 64
"""Rows that are decoded and answered together."""
CHUNK_OF_LONG = 8
"""The same if a row may be an hour of speech."""


class Decoded(NamedTuple):
    cells: dict[str, np.ndarray | None]
    error: str | None  # why the row can't be read
    column: str | None = None  # and the column of the bad cell
    unseen: tuple[tuple[str, str], ...] = ()  # (column, value) unseen in training


def predict(
    bundle: "Predictor",
    rows: Any,
    *,
    root: str | Path | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    probabilities: bool = False,
    abstain_below: float = 0.0,
    explain: bool = False,
    embeddings: bool = False,
    drop_input: str | Iterable[str] = (),
) -> Iterator[dict[str, Any]]:
    """One dict per row: `TARGET`, `TARGET.confidence`, for a transcript `TARGET.times`, and
    `error` if the row can't be read.

    rows: a path of a table, a pandas/polars/pyarrow table, a list of dicts, or one dict. A dict
        may leave inputs out: they are absent. A table must have a column for every input that
        isn't named in `drop_input`.
    root, encoding, delimiter: the folder that media paths are relative to, and how a csv is
        written; as in training if not given (see `mmbm.data.reading`). Paths of a dict are
        relative to the current folder.
    probabilities: add `TARGET.p.CLASS`.
    abstain_below: below it, the answer is "not sure".
    explain: add `TARGET.attribution.MODALITY`, the exact Shapley value of each modality for the
        answer's probability (or the number), and `TARGET.attribution.prior`, their baseline.
    embeddings: of a contrastive target, add `TARGET.embedding.COLUMN` for every column, None
        where the row's cell is absent. (Its `TARGET` is the mean cosine similarity of the row's
        own cells.)
    """
    if not 0 <= abstain_below <= 1:
        raise MmbmError(f"abstain_below is a probability, from 0 to 1 (given: {abstain_below}).")
    left_out = {drop_input} if isinstance(drop_input, str) else set(drop_input)
    dicts, folder = as_dicts(bundle, rows, Reading(root, encoding, delimiter), left_out)
    tally = Tally(bundle.columns, bundle.config.inputs)
    specs = bundle.config.inputs.values()
    most = CHUNK_OF_LONG if any(getattr(spec, "windows", None) for spec in specs) else CHUNK
    answers, chunks = bundle.answers, iter(lambda: list(islice(dicts, most)), [])
    for chunk in parallel(lambda some: [decode_row(bundle, row, folder) for row in some], chunks):
        good = [row for row in chunk if row.error is None]
        encoded = encode(bundle, good) if good else {}
        answered = iter(
            answer_rows(bundle, answers, encoded, probabilities, abstain_below, explain, embeddings)
            if good
            else []
        )
        for row in chunk:
            tally.add(row.unseen)
            yield {**next(answered), "error": None} if row.error is None else {"error": row.error}
    for sentence in tally.sentences():
        say(f"Note: {sentence}")


def generate_stream(
    bundle: "Predictor",
    row: dict[str, Cell],
    target: str | None = None,
    root: str | Path | None = None,
) -> Iterator[str]:
    """The text of a row, streamed in pieces; joined they equal `predict`'s.

    target: which text, if the bundle has several.

    Raises MmbmError if a cell can't be read, or the bundle generates no such text.
    """
    texts = bundle.config.texts
    name = target or next(iter(texts), None)
    if name not in texts:
        there = ", ".join(texts) or "none"
        raise MmbmError(f"{bundle.path}: {name!r} is no text to write; there are: {there}.")
    decoded = decode_row(bundle, known_inputs(row, bundle), Path(root) if root else Path.cwd())
    if decoded.error:
        raise MmbmError(f"{decoded.error}.")
    yield from pieces(bundle, name, encode(bundle, [decoded]))


def pieces(bundle: "Predictor", name: str, encoded: Named) -> Iterator[str]:
    """The text `name` of one encoded row, streamed. Beam search yields it only at the end."""
    column, runner = bundle.columns[name], bundle.runner
    assert isinstance(column, TextColumn)
    assert isinstance(runner, TextGenerator)
    if runner.texts[name].beam_size > 1:
        (said,) = bundle.answers[name].rows(runner.run("answer", encoded)[name])
        yield said["value"]
        return
    text = Pieces(column)
    for place in runner.places(name, encoded):
        if piece := text.add(int(place.tokens[0])):
            yield piece


def as_dicts(
    bundle: "Predictor", rows: Any, reading: Reading, drop_input: set[str]
) -> tuple[Iterator[dict[str, Cell]], Path | None]:
    """The rows one by one as {input: raw cell}, and the folder their paths are relative to."""
    inputs = bundle.config.inputs
    unknown = sorted(drop_input - set(inputs))
    if unknown:
        raise TableError(
            f"There is no input {unknown[0]!r} to leave out; inputs: {', '.join(inputs)}."
        )
    if isinstance(rows, dict):
        rows = [rows]
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        known = (known_inputs(row, bundle) for row in rows)
        return ({k: v for k, v in row.items() if k not in drop_input} for row in known), (
            Path(reading.root) if reading.root else Path.cwd()
        )
    table = open_as_trained(bundle.config, rows, reading)
    names = [name for name in inputs if name not in drop_input]
    for name in names:
        if name not in table.names:
            raise TableError(
                f"{table.source} has no column {name!r}, an input of {bundle.path.name}. To answer "
                f"without it, say so: --drop-input {name}, in Python drop_input=[{name!r}]."
            )
    columns = {name: table.cells(name) for name in names}
    return ({k: next(v) for k, v in columns.items()} for _ in range(table.rows)), table.root


def known_inputs(row: dict[str, Cell], bundle: "Predictor") -> dict[str, Cell]:
    known = {*bundle.config.inputs, *bundle.config.targets}
    unknown = sorted(set(row) - known)
    if unknown:
        raise TableError(
            f"{unknown[0]!r} is not an input of {bundle.path.name}; inputs: "
            f"{', '.join(bundle.config.inputs)}."
        )
    return row


def decode_row(bundle: "Predictor", row: dict[str, Cell], root: Path | None) -> Decoded:
    cells: dict[str, np.ndarray | None] = {}
    for name, spec in bundle.config.inputs.items():
        cell: Any = single(row.get(name))
        if spec.is_media and not spec.holds(cell):
            try:
                cell = locate(cell, root, getattr(spec, "max_bytes", None))
            except BadCell as bad:
                return Decoded({}, f"{name}: {bad.reason}", name)
        cells[name], reason = decode_cell(bundle.columns[name], cell)
        if reason:
            return Decoded({}, f"{name}: {reason}", name)
    return Decoded(cells, None, unseen=unseen_cells(bundle, row))


def unseen_cells(bundle: "Predictor", row: dict[str, Cell]) -> tuple[tuple[str, str], ...]:
    """(column, value) of the row's first unseen value in each column."""
    found = ((name, unseen(bundle.columns[name], row.get(name))) for name in bundle.config.inputs)
    return tuple((name, values[0]) for name, values in found if values)


def batched(bundle: "Predictor", rows: list[Decoded]) -> dict[str, Arrays]:
    columns = bundle.columns
    return {
        name: collate(columns[name].storage, [row.cells[name] for row in rows])
        for name in bundle.config.inputs
    }


def encode(bundle: "Predictor", rows: list[Decoded]) -> Named:
    return bundle.runner.run("encode", flatten(batched(bundle, rows), bundle.columns))


def raw_answers(bundle: "Predictor", rows: list[dict[str, Cell]]) -> dict[str, np.ndarray]:
    """Graph outputs for raw rows that must all be readable."""
    decoded = [decode_row(bundle, row, None) for row in rows]
    for row in decoded:
        if row.error:
            raise BundleError(f"{bundle.path}: a golden row can't be read any more: {row.error}")
    return bundle.runner.run("answer", encode(bundle, decoded))


def answer_rows(
    bundle: "Predictor",
    answers: dict[str, Answer],
    encoded: Named,
    probabilities: bool,
    abstain_below: float,
    explain: bool,
    embeddings: bool = False,
) -> list[dict[str, Any]]:
    outputs = bundle.runner.run("answer", encoded)
    results: list[dict[str, Any]] = [{} for _ in next(iter(outputs.values()))]
    for target, answer in answers.items():
        for result, one in zip(results, answer.rows(outputs[target])):
            result |= as_columns(target, one, probabilities, abstain_below)
            if embeddings:
                cells = one.get("embeddings", {})
                result |= {f"{target}.embedding.{name}": z for name, z in cells.items()}
    if explain:
        modalities = list(bundle.config.modalities())
        for target, parts in contributions(bundle.runner, encoded, modalities, answers).items():
            for i, result in enumerate(results):
                result |= {f"{target}.attribution.{m}": float(v[i]) for m, v in parts.items()}
    return results


def as_columns(
    target: str, one: dict[str, Any], probabilities: bool = False, abstain_below: float = 0.0
) -> dict[str, Any]:
    """An `Answer`'s results for a row, as columns of the answers."""
    value, sure = one["value"], one.get("confidence", 1.0) >= abstain_below
    unsure = [NOT_SURE] if isinstance(value, list) else NOT_SURE  # a column has one type
    named = {target: value if sure else unsure}
    named |= {f"{target}.{key}": one[key] for key in ("confidence", "times") if key in one}
    if probabilities:
        named |= {f"{target}.p.{k}": p for k, p in one.get("probabilities", {}).items()}
    return named


def evaluate_table(
    bundle: "Predictor",
    table: Any = None,
    split: str | None = "test",
    reading: Reading = AS_TRAINED,
) -> dict[str, Any]:
    """Metrics of a bundle on a table (all its rows, or a split of it)."""
    from mmbm.inference.evaluate import evaluate

    check_split(split)
    if table is None:
        report = bundle.metrics.get(split or "test")
        if report is None:
            raise MmbmError(
                f"{bundle.path} has no metrics of a {split} split; give a table to evaluate."
            )
        return report
    with measured(bundle, table, split, reading) as data:
        return evaluate(bundle.runner, data.splits["test"], bundle.config, bundle.columns)


@contextlib.contextmanager
def measured(
    bundle: "Predictor", table: Any, split: str | None, reading: Reading = AS_TRAINED
) -> Iterator[Data]:
    """A table's rows (all, or those of a split), decoded, as `splits["test"]`; gone at the end."""
    check_split(split)
    config = bundle.config
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        opened = _opened(config, table, cache, reading)
        stores, rows, notes = _chosen(bundle, opened, cache, split)
        data = assemble(config, opened, bundle.columns, stores, {"test": rows}, None)
        data = data._replace(notes=[*notes, *data.notes])
        if not len(data.splits["test"]):
            where = f" in the {split} split" if split else ""
            raise TableError(" ".join([f"{opened.source}: no usable rows{where}.", *data.notes]))
        for note in data.notes:
            say(note)
        yield data


def check_split(split: str | None) -> None:
    if split is not None and split not in NAMES:
        raise MmbmError(f"There is no split {split!r}: it is train, valid, test or all.")


def _opened(config: Config, table: Any, cache: Path | None, reading: Reading = AS_TRAINED) -> Table:
    """The table restricted to the columns of the bundle's training table."""
    opened = open_as_trained(config, table, reading, cache)
    check_columns(config, opened)
    return opened


def _chosen(
    bundle: "Predictor", table: Table, cache: Path, split: str | None
) -> tuple[dict[str, ColumnStore], np.ndarray, list[str]]:
    """What is decoded of a table, which of its rows are evaluated, and the messages about it.

    A split column divides every table that has it. Otherwise rows are identified by content: a
    split by chance, group or time belongs to the training table, and would divide another one
    differently. Only the rows this needs are decoded: of the training table those of the split.
    """
    config, rule, known = bundle.config, bundle.config.data.split, bundle.bundle.trained_rows()
    read = partial(decode, config, table, bundle.columns, cache)
    if isinstance(rule, str) and rule in table.names and split is not None:
        rows = split_rows(table, rule, config.targets)[split]
        stores = read(rows)
        if known is None or split != "test":
            return stores, rows, []
        digests = row_digests(stores, config.columns)
        return stores, rows, overlap_notes(table.source, rows, digests, known)
    if known is not None and split is not None:
        rows = _divided(config, table, split)
        for some in (rows[:PROBED], rows) if len(rows) else ():
            stores = read(some)
            found = members(row_digests(stores, config.columns)[some], known[split])
            if not found.any():  # another table
                break
        else:
            if len(rows) and found.sum() == len(known[split]):
                note = f"{len(rows)} of {table.rows} rows are {split} rows, as in training."
                return stores, rows, [f"{table.source}: {note}"]
    stores = read()
    return stores, *_rows(table, stores, split, config, known)


def _divided(config: Config, table: Table, split: str) -> np.ndarray:
    """The rows of a split as training would divide this table; none if it can't."""
    rule = config.data.rule
    if rule and not rule.folds:
        with contextlib.suppress(TableError):  # it has too few rows, or not the column of the rule
            return split_rows(table, rule, config.targets)[split]
    return np.empty(0, np.int64)


def _rows(
    table: Table,
    stores: dict[str, ColumnStore],
    split: str | None,
    config: Config,
    known: dict[str, np.ndarray] | None,
) -> tuple[np.ndarray, list[str]]:
    """Which rows of a fully decoded table are evaluated, and the messages about it."""
    if known is not None:
        digests = row_digests(stores, config.columns)
        return choose_rows(table.source, digests, known, split)
    rows = np.arange(table.rows)
    if split is None or isinstance(config.data.split, str):
        return rows, []
    return rows, [
        f"{table.source}: the bundle doesn't know which rows it was trained on (an older mmbm "
        f"wrote it): all {len(rows)} rows are measured."
    ]
