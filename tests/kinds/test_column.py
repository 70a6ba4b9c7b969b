"""What every kind of column promises, on every cell of `damaged.py`."""

import json
import pickle
from pathlib import Path
from typing import Any

import damaged
import numpy as np
import pytest
from samples import Cells, gathered

from mmbm.errors import BadCell
from mmbm.kinds.column import Column, build, collate
from mmbm.registry import kinds

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow, of damaged metadata


COLUMNS = gathered("COLUMNS")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return damaged.corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module", params=COLUMNS, ids=str)
def kind(request: pytest.FixtureRequest) -> Cells:
    return COLUMNS[request.param]


@pytest.fixture
def column(kind: Cells) -> Column:
    column = build(kind.spec)
    column.fit(kind.good)
    return column


def test_every_column_is_here():
    brought = {cells.spec.kind for cells in COLUMNS.values()}
    assert {name for name, kind in kinds().items() if kind.column} == brought


def assert_stored(column: Column, value: Any) -> None:
    storage = column.storage
    assert isinstance(value, np.ndarray | np.generic)
    assert value.dtype == storage.dtype
    if storage.ragged:
        assert len(value) >= 1
        assert value.shape[1:] == storage.shape
    else:
        assert value.shape == storage.shape
    if value.dtype.kind == "f":
        assert np.isfinite(value).all()


def test_a_cell_gives_what_storage_says_or_nothing_or_bad_cell(column: Column, corpus):
    values, absent, reasons = [], [], {}
    for what, cell in corpus.items():
        try:
            value = column.decode(cell)
        except BadCell as error:
            reasons[what] = error.reason
        else:
            (absent if value is None else values).append(value)

    for value in values:
        assert_stored(column, value)
    assert values
    assert absent
    assert reasons
    assert {what: r for what, r in reasons.items() if not 0 < len(r) < 400} == {}


def test_good_cells_are_decoded(column: Column, kind: Cells):
    for cell in kind.good:
        assert_stored(column, column.decode(cell))


def test_none_is_absent(column: Column):
    assert column.decode(None) is None


def test_fit_passes_over_damaged_cells(column: Column, kind: Cells, corpus):
    damaged_too = build(kind.spec)
    damaged_too.fit([*kind.good, *corpus.values()])

    assert_stored(damaged_too, damaged_too.decode(kind.good[0]))


def test_fitting_again_learns_the_same(column: Column, kind: Cells):
    again = build(kind.spec)

    assert again.fit(iter(kind.good)) == column.state


def test_a_column_made_from_its_json_decodes_equally(column: Column, kind: Cells, corpus):
    state = json.loads(json.dumps(column.state, allow_nan=False))
    reloaded = build(kind.spec, state)

    assert reloaded.state == column.state
    assert reloaded.storage == column.storage
    for cell in [*kind.good, *corpus.values()]:
        assert outcome(reloaded, cell) == outcome(column, cell)


def test_a_column_can_be_sent_to_another_process(column: Column, kind: Cells):
    column.decode(kind.good[0])  # whatever is made at the first use must not stand in the way
    sent = pickle.loads(pickle.dumps(column))

    assert [outcome(sent, c) for c in kind.good] == [outcome(column, c) for c in kind.good]


def test_a_batch_holds_every_cell_and_its_length(column: Column, kind: Cells):
    values = [column.decode(kind.good[0]), None, column.decode(kind.good[-1])]
    arrays = collate(column.storage, values)

    assert arrays.present.tolist() == [True, False, True]
    assert arrays.values.dtype == column.storage.dtype
    assert not arrays.values[1].any()
    assert arrays.lengths[1] == 1
    for row in (0, 2):
        length = arrays.lengths[row]
        stored = arrays.values[row, :length] if column.storage.ragged else arrays.values[row]
        np.testing.assert_array_equal(stored, values[row])
        if column.storage.ragged:
            assert length == len(values[row])
            assert not arrays.values[row, length:].any()


def test_the_description_is_a_json_schema(column: Column):
    description = column.describe()

    schema = json.loads(json.dumps(description.schema, allow_nan=False))
    assert schema["type"] in ("string", "number", "array")
    assert description.widget in (
        "image", "audio", "file", "text", "number", "choice", "choices"
    )  # fmt: skip
    assert (description.media is not None) == (description.widget in ("image", "audio", "file"))


def test_a_column_that_was_not_fitted_can_be_described(kind: Cells):
    assert build(kind.spec).describe().schema["type"]


@pytest.mark.parametrize("path", ["/etc/hostname", "file:///etc/hostname", "pyproject.toml"])
def test_text_in_a_cell_never_opens_a_file(path: str):
    for name in ("image", "audio"):
        with pytest.raises(BadCell):
            build(COLUMNS[name].spec).decode(path)


def outcome(column: Column, cell: Any) -> Any:
    """What decode does, in a form that can be compared."""
    try:
        value = column.decode(cell)
    except BadCell as error:
        return error.reason
    return None if value is None else (str(value.dtype), value.shape, value.tobytes())


def test_the_corpus_is_the_same_each_time(tmp_path: Path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    one, two = damaged.corpus(first), damaged.corpus(second)

    assert list(one) == list(two)
    assert len(one) > 150
    assert all(one[k] == two[k] for k in one if k.startswith("picture: JPEG with"))
