"""A prepared file holds exactly what decoding gave, cell by cell, and is whole or absent."""

import csv
import tracemalloc
from typing import ClassVar

import numpy as np
import pytest
import tiny

from mmbm.config import load as configfile
from mmbm.data import store as stores
from mmbm.data.store import ColumnStore, open_store, write
from mmbm.data.table import open_table
from mmbm.errors import BadCell
from mmbm.kinds import column as kinds
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.column import Storage
from mmbm.kinds.number.spec import NumberSpec
from mmbm.kinds.transcript.spec import TranscriptTarget
from mmbm.registry import kinds as all_kinds

KINDS = ("photo", "speech", "remark", "speed", "place", "label", "tags", "amount")


@pytest.fixture(scope="module")
def columns(table):
    """For every kind: a fitted column, and its cells with gaps (a None, a bad one) in between."""
    raw = tiny.config(table)
    raw["targets"] |= {"amount": {"kind": "number"}, "tags": {"kind": "labels"}}
    config = configfile.parse(raw)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    fitted = {}
    for name, spec in {**config.inputs, **config.targets}.items():
        cells = [row[name] for row in rows]
        if name in ("photo", "speech"):
            cells = [table.parent / cell for cell in cells]
        column = kinds.build(spec)
        column.fit(cells)
        cells[0] = cells[33] = cells[95] = None
        cells[7] = cells[32] = BadCell("is a test")
        fitted[name] = column, cells
    return fitted


@pytest.fixture(params=KINDS)
def case(request, columns, tmp_path):
    """A column, its cells, and the file they were written to."""
    column, cells = columns[request.param]
    write(tmp_path / "c.arrow", column, iter(cells), len(cells), request.param)
    return column, cells, ColumnStore(tmp_path / "c.arrow", column.storage)


def test_a_row_is_what_its_cell_decodes_to(case):
    column, cells, store = case
    batch = store.gather(np.arange(len(cells)))
    for i, cell in enumerate(cells):
        expected = None if isinstance(cell, BadCell) else column.decode(cell)
        assert batch.present[i] == (expected is not None)
        if expected is None:
            assert batch.lengths[i] == 1
            assert not batch.values[i].any()
        elif column.storage.ragged:
            assert batch.lengths[i] == len(expected)
            assert np.array_equal(batch.values[i, : len(expected)], expected)
            assert not batch.values[i, len(expected) :].any()
        else:
            assert np.array_equal(batch.values[i], expected)
        assert batch.values.dtype == column.storage.dtype


def test_rows_can_be_asked_in_any_order_and_twice(case):
    _, cells, store = case
    rows = np.random.default_rng(0).integers(0, len(cells), 40)  # over the borders of chunks
    batch = store.gather(rows)
    for i, row in enumerate(rows):
        one = store.gather(np.array([row]))
        assert batch.lengths[i] == one.lengths[0]
        width = one.values[0].shape[:1]
        mine = batch.values[i, : width[0]] if store.storage.ragged else batch.values[i]
        assert np.array_equal(mine, one.values[0])


def test_reasons_are_those_of_the_bad_cells(case):
    assert case[2].reasons == {7: "is a test", 32: "is a test"}


def test_equal_cells_have_equal_digests_and_others_differ(columns, tmp_path):
    column, cells = columns["photo"]
    twice = [*cells[1:5], *cells[1:5]]
    write(tmp_path / "c.arrow", column, twice, 8, "photo")
    digests = ColumnStore(tmp_path / "c.arrow", column.storage).digests
    assert digests[:4].tolist() == digests[4:].tolist()
    assert len(set(digests.tolist())) == 4


def test_a_column_without_any_value_can_be_read(columns, tmp_path):
    for name, (column, _) in columns.items():
        write(tmp_path / f"{name}.arrow", column, [None] * 3, 3, name)
        batch = ColumnStore(tmp_path / f"{name}.arrow", column.storage).gather(np.arange(3))
        assert not batch.present.any()
        assert batch.lengths.tolist() == [1, 1, 1]


def test_an_interrupted_writing_leaves_no_file(columns, tmp_path):
    column, cells = columns["photo"]

    def stopped():
        yield from cells[1:60]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "c.arrow", column, stopped(), len(cells), "photo")
    assert list(tmp_path.iterdir()) == []


def test_cells_are_read_only_a_little_ahead_of_decoding(monkeypatch):
    monkeypatch.setattr(stores.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    results = stores.parallel(lambda i: i * i, items())
    assert next(results) == 0
    assert len(taken) <= 6
    assert list(results) == [i * i for i in range(1, 100)]


# ── a large ragged column ────────────────────────────────────────────────────────────────────────

TOKENS = Storage("int32", (), ragged=True)
MANY = 20_000


def save_tokens(path, seed=0, rows=MANY):
    """Ids of tokens, of which some cells are absent, empty and bad."""
    generator = np.random.default_rng(seed)
    cells = [
        (None, "is bad") if i % 1000 == 7 else
        (None if i % 10 == 3 else generator.integers(0, 99, i % 6).astype(np.int32), None)
        for i in range(rows)
    ]  # fmt: skip
    batches = [stores.record(cells[at : at + 32], TOKENS) for at in range(0, rows, 32)]
    stores.save(path, TOKENS, batches, rows, "tokens")
    return cells


def check(store, cells):
    order = np.random.default_rng(1).permutation(len(cells))
    for rows in np.array_split(order, 100):
        values, lengths, present = store.gather(rows)
        for i, row in enumerate(rows):
            value = cells[row][0]
            assert present[i] == (value is not None)
            assert lengths[i] == (1 if value is None else len(value))
            assert value is None or values[i, : lengths[i]].tolist() == value.tolist()
    assert store.reasons == {row: reason for row, (_, reason) in enumerate(cells) if reason}


def test_a_large_ragged_column_is_opened_without_its_rows_in_memory(tmp_path):
    cells = save_tokens(tmp_path / "t.arrow")
    first = ColumnStore(tmp_path / "t.arrow", TOKENS)
    tracemalloc.start()
    again = ColumnStore(tmp_path / "t.arrow", TOKENS)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 2 * MANY  # bytes; 87 a row where batches, offsets and lengths are held
    for store in (first, again):
        check(store, cells)
    assert (first.digests == again.digests).all()
    assert again.present.dtype == bool


def test_an_index_is_that_of_its_file(tmp_path):
    path, beside = tmp_path / "t.arrow", tmp_path / "t.arrow.rows"
    save_tokens(path)
    ColumnStore(path, TOKENS)
    cells = save_tokens(path, seed=1)  # another file in its place
    check(ColumnStore(path, TOKENS), cells)
    damaged = bytearray(beside.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    beside.write_bytes(damaged)
    check(ColumnStore(path, TOKENS), cells)
    assert beside.read_bytes() != damaged


def test_a_small_column_has_no_file_beside_it(tmp_path):
    cells = save_tokens(tmp_path / "t.arrow", rows=500)
    check(ColumnStore(tmp_path / "t.arrow", TOKENS), cells)
    assert not (tmp_path / "t.arrow.rows").exists()


# ── the key of a prepared file ───────────────────────────────────────────────────────────────────

SPECS = [
    kind.part(use)
    for kind in all_kinds().values()
    for use in ("input", "target")
    if getattr(kind, use)
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_options_that_do_not_change_decoding_are_options(spec):
    named = frozenset().union(*(vars(one).get("not_decoding", ()) for one in spec.__mro__))
    assert named <= set(spec.model_fields)


def test_a_kind_names_its_own_options_that_do_not_change_decoding():
    class Sampled(AudioSpec):
        """A kind whose `seed` and `order` choose what is read, and whose `shown` doesn't."""

        seed: int = 0
        order: int = 1
        shown: int = 2
        not_decoding: ClassVar = frozenset({"shown"})

    assert {"seed", "order", "sample_rate", "seconds"} <= set(Sampled().decoding())
    assert not {"shown", "encoder", "n_mels"} & set(Sampled().decoding())
    spoken = TranscriptTarget(input="a", beam_size=16, ngram_order=3, weight=2.0)
    assert spoken.decoding() == TranscriptTarget(input="b").decoding()
    assert spoken.decoding() != TranscriptTarget(input="b", lowercase=True).decoding()


@pytest.mark.parametrize(
    ("change", "same"),
    [({"bins": 8}, True), ({"group": "g"}, True), ({"log": True}, False), ({"unit": "kg"}, False)],
    ids=str,
)
def test_a_change_of_an_option_decodes_anew_unless_its_kind_says_otherwise(tmp_path, change, same):
    table = open_table({"x": [1.0, 2.0, 3.0]})
    names = []
    for spec in (NumberSpec(), NumberSpec(**change)):
        column = kinds.build(spec)
        column.fit([1.0, 2.0, 3.0])
        cells = lambda: table.cells("x")  # noqa: E731
        names.append(open_store("x", column, spec, cells, table, tmp_path).name)
    assert (names[0] == names[1]) is same
