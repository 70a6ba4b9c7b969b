"""Batches: their order is a pure function of seed and epoch, and wastes little on padding."""

from itertools import islice

import numpy as np
import pytest

from mmbm.data.batches import Split
from mmbm.data.store import ColumnStore, write
from mmbm.kinds.number.column import NumberColumn
from mmbm.kinds.number.spec import NumberSpec
from mmbm.kinds.text.column import TextColumn
from mmbm.kinds.text.spec import TextSpec

ROWS, BATCH = 203, 16


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Split:
    """Every second row of a table of two texts of very different lengths, and its row number."""
    folder = tmp_path_factory.mktemp("batches")
    generator = np.random.default_rng(0)
    texts = ["ab " * int(n) for n in generator.integers(0, 60, 2 * ROWS)]
    said = ["cd " * int(n) for n in generator.integers(0, 60, 2 * ROWS)]
    cells = {"text": (TextColumn(TextSpec(vocab_size=300)), texts),
             "said": (TextColumn(TextSpec(vocab_size=300)), said),
             "number": (NumberColumn(NumberSpec()), list(range(2 * ROWS)))}  # fmt: skip
    stores = {}
    for name, (column, values) in cells.items():
        column.fit(values)
        write(folder / f"{name}.arrow", column, values, len(values), name)
        stores[name] = ColumnStore(folder / f"{name}.arrow", column.storage)
    return Split(stores, ["text"], ["number"], np.arange(0, 2 * ROWS, 2))


def order(rows: Split, epoch: int, **options) -> list[list[int]]:
    return [b.rows.tolist() for b in rows.batches(7, epoch, BATCH, **options)]


def test_the_order_depends_on_seed_and_epoch_alone(rows):
    assert order(rows, 3) == order(rows, 3)
    assert order(rows, 3) != order(rows, 4)
    other = [b.rows.tolist() for b in rows.batches(8, 3, BATCH)]
    assert order(rows, 3) != other


@pytest.mark.parametrize("start", [0, 1, 5, 12])
def test_starting_at_a_step_is_skipping_the_steps_before(rows, start):
    assert order(rows, 2, start=start) == order(rows, 2)[start:]


def test_a_row_comes_at_most_once_an_epoch(rows):
    batches = order(rows, 0)
    seen = [row for batch in batches for row in batch]
    assert len(batches) == rows.steps(BATCH) == ROWS // BATCH
    assert {len(batch) for batch in batches} == {BATCH}
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(rows.rows.tolist())


def test_every_row_comes_within_a_few_epochs(rows):
    seen = {row for epoch in range(5) for batch in order(rows, epoch) for row in batch}
    assert seen == set(rows.rows.tolist())


def test_a_split_smaller_than_a_batch_is_one_batch(rows):
    few = Split(rows.stores, rows.inputs, rows.targets, rows.rows[:5])
    (batch,) = few.batches(0, 0, BATCH)
    assert sorted(batch.rows.tolist()) == few.rows.tolist()


def test_inputs_and_targets_of_a_batch_belong_to_its_rows(rows):
    for batch in islice(rows.batches(7, 0, BATCH), 3):
        assert batch.targets["number"].values.tolist() == batch.rows.tolist()
        alone = [rows.stores["text"].gather(np.array([row])) for row in batch.rows]
        for i, one in enumerate(alone):
            length = one.lengths[0]
            assert batch.inputs["text"].lengths[i] == length
            assert np.array_equal(batch.inputs["text"].values[i, :length], one.values[0])
            assert not batch.inputs["text"].values[i, length:].any()


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_every_batch_out_among_them(rows, world):
    shares = [order(rows, 1, rank=rank, world=world) for rank in range(world)]
    for whole, *parts in zip(order(rows, 1), *shares, strict=True):
        assert [row for part in parts for row in part] == whole
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_similar_lengths_share_a_batch(rows):
    bucketed = [b.inputs["text"] for b in rows.batches(7, 0, BATCH)]
    assert padding(bucketed) < 0.15 < padding(by_chance(rows, "text"))


def test_two_texts_of_unlike_lengths_count_both(rows):
    both = Split(rows.stores, ["text", "said"], ["number"], rows.rows)
    batches = list(both.batches(7, 0, BATCH))
    for name in both.inputs:
        bucketed = padding([batch.inputs[name] for batch in batches])
        assert bucketed < 0.8 * padding(by_chance(both, name))


def test_batches_are_not_alike_in_what_is_to_be_written(rows):
    """They would teach one kind of answer at a time."""
    read = Split(rows.stores, ["text"], ["number"], rows.rows)
    write = Split(rows.stores, ["text"], ["said"], rows.rows)
    assert order(write, 0) == order(read, 0)


def by_chance(rows, name):
    lots = np.array_split(np.random.default_rng(0).permutation(ROWS), ROWS // BATCH)
    return [rows.gather(lot).inputs[name] for lot in lots]


def padding(batches) -> float:
    """The part of all places that holds no token."""
    places = sum(b.values.size for b in batches)
    return 1 - sum(int(b.lengths.sum()) for b in batches) / places


def test_long_and_short_batches_come_in_random_order(rows):
    lengths = [b.inputs["text"].values.shape[1] for b in rows.batches(7, 0, BATCH)]
    assert lengths != sorted(lengths)


def test_in_order_gives_every_row_once_with_its_position(rows):
    seen = {}
    for positions, batch in rows.in_order(BATCH):
        seen |= dict(zip(positions.tolist(), batch.rows.tolist()))
    assert [seen[i] for i in range(len(rows))] == rows.rows.tolist()
