"""Cells of time series, however they are written, become steps with masks, or are refused by a
sentence before more is parsed than is allowed."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.series import read
from mmbm.kinds.series.column import SeriesColumn
from mmbm.kinds.series.spec import SeriesSpec

CSV = "hours,HR,Temp\n0.5,73,\n1.5,,36.6\n3.5,60,37\n"
STEPS = [[0, 73, 0, 1, 0], [1, 0, 36.6, 0, 1], [3, 60, 37, 1, 1]]
"""Time since the first, values, masks."""


def fitted(*cells, **options) -> SeriesColumn:
    column = SeriesColumn(SeriesSpec(**options))
    column.fit(cells or [CSV])
    return column


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "cell",
    [
        CSV,
        CSV.replace(",", ";"),
        CSV.replace(",", "\t").encode(),
        CSV.replace("\n", "\r\n").encode("utf-8-sig"),
        "\n".join(["hours,Temp,HR", "3.5,37,60", "0.5,nan,73", "1.5,36.6,NA"]),
        {"hours": [0.5, 1.5, 3.5], "HR": [73, None, 60], "Temp": [None, 36.6, float("nan") + 37]}
        | {"Temp": [float("nan"), 36.6, 37]},
        [{"hours": 0.5, "HR": 73}, {"hours": 1.5, "Temp": 36.6},
         {"hours": 3.5, "HR": 60, "Temp": 37}],
        json.dumps({"hours": [0.5, 1.5, 3.5], "HR": [73, None, 60], "Temp": [None, 36.6, 37]}),
        b'[{"hours": 0.5, "HR": 73}, {"hours": 1.5, "Temp": 36.6, "HR": null},'
        b' {"hours": 3.5, "HR": 60, "Temp": 37}]',
    ],
)  # fmt: skip
def test_every_way_of_writing_a_series_gives_the_same(cell):
    value = fitted().decode(cell)
    assert value is not None
    np.testing.assert_allclose(value, STEPS, rtol=1e-6)


@pytest.mark.parametrize(
    ("cell", "channels"),
    [
        ([1, None, 3], 1), ("[1, null, 3]", 1), (np.array([1, np.nan, 3]), 1),
        (npy(np.array([[1], [np.nan], [3.0]])), 1), ([[1, 2], [None, 4], [3, 6]], 2),
        ("1,2\n,4\n3,6", 2), (np.array([[1, 2], [np.nan, 4], [3, 6]], np.float32), 2),
    ],
)  # fmt: skip
def test_steps_without_a_time_are_one_apart_and_channels_without_a_name_are_numbered(
    cell, channels
):
    column = fitted(cell)
    value = column.decode(cell)
    assert column.state["channels"] == [str(i) for i in range(channels)]
    assert value[:, 0].tolist() == [0, 1, 2]
    assert value[:, 1].tolist() == [1, 0, 3]
    assert value[:, 1 + channels].tolist() == [1, 0, 1]


def test_a_file_is_read_by_its_content(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    table = {"hours": [0.5, 1.5, 3.5], "HR": [73, None, 60], "Temp": [None, 36.6, 37.0]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        np.testing.assert_allclose(fitted().decode(tmp_path / name), STEPS, rtol=1e-6)
    with pytest.raises(BadCell, match="the file does not exist"):
        fitted().decode(tmp_path / "b.csv")


def test_a_parquet_file_is_kept_as_its_columns_and_never_read_from_bytes(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"hours": [0.5, 1.5], "HR": [73, None]}), path)
    kept = SeriesSpec().kept(path)
    assert kept == {"hours": [0.5, 1.5], "HR": [73, None]}
    np.testing.assert_array_equal(fitted().decode(kept), fitted().decode(path))
    with pytest.raises(BadCell, match="read from a path alone"):
        fitted().decode(path.read_bytes())


def test_time_stamps_may_be_dates_and_are_seconds_then():
    column = fitted("date,x\n2024-01-01,1\n2024-01-02T00:00Z,2")
    value = column.decode("date,x\n2024-03-01,1\n2024-03-01 00:01,2")
    assert value[:, 0].tolist() == [0, 60]


def test_only_a_first_channel_with_such_a_name_is_the_time_unless_the_options_say_so():
    assert fitted("x,hours\n1,2\n2,4").state["time"] is None
    assert fitted("x,hours\n1,2\n2,4", time="hours").state["channels"] == ["x"]
    assert fitted("hours,x\n1,2\n2,4", channels=["hours", "x"]).state["time"] is None


def test_a_longer_series_keeps_its_last_steps_or_its_first():
    cell = list(range(10))
    assert fitted(cell, steps=3).decode(cell)[:, 1].tolist() == [7, 8, 9]
    assert fitted(cell, steps=3, crop="start").decode(cell)[:, 1].tolist() == [0, 1, 2]


def test_the_channels_are_those_of_all_train_rows_or_those_that_the_options_name():
    column = fitted("a,b\n1,2", "b,c\n3,4")
    assert column.state["channels"] == ["a", "b", "c"]
    assert column.decode("c\n5\n6")[0].tolist() == [0, 0, 0, 5, 0, 0, 1]
    told = fitted("a,b\n1,2", channels=["b"])
    assert told.decode("z,b\n1,2")[0].tolist() == [0, 2, 1]


def test_mean_spread_and_gaps_are_of_what_was_measured():
    state = fitted().state
    assert state["mean"] == pytest.approx([66.5, 36.8])
    assert state["std"] == pytest.approx([6.5, 0.2])
    assert (state["count"], state["gap"], state["duration"]) == ([2, 2], 1.5, 3.0)


def test_too_many_channels_together_are_an_error():
    with pytest.raises(ConfigError, match="more than 1024 channels together"):
        fitted(*({f"c{i}": [1.0], f"d{i}": [2.0]} for i in range(600)))


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan")])
def test_an_empty_cell_is_absent(cell):
    assert fitted().decode(cell) is None


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("hours,HR,Temp\n", "has no steps; leave the cell empty"),
        ([], "has no steps; leave the cell empty"),
        ("hours,HR\n0,1,2\n", "has 3 values in step 1, and 2 channels"),
        ("hours,HR\n0,fast\n", "has 'fast' in step 1 of channel 'HR', where a number belongs"),
        ("hours,HR\n0,1\n,2\n", "has no time in step 2, channel 'hours'"),
        ("hours,HR\nsoon,1\n", "not a supported date format, in step 1 of channel 'hours'"),
        ("hours,HR\n03/04/2024,1\n", "whose day and month can't be told apart"),
        ("hours,HR\n0,inf\n", "has inf in step 1 of channel 'HR'"),
        ("hours,HR\n0,1e39\n", "has 1e+39 in step 1 of channel 'HR'"),
        ("hours,HR,HR\n0,1,2\n", "has two channels of the name 'HR'"),
        ("HR,Temp\n1,2\n", "has no channel 'hours', which has the time stamps"),
        ("hours,HR,pH\n0,1,7\n", "has a channel 'pH', which no train row had; name the channels"),
        ({"hours": [1, 2], "HR": [1]}, "has channels of 1 and of 2 steps"),
        ({"hours": 1}, "a series as an object has a list for each channel"),
        ([[1, 2], [3]], "has 1 values in step 2, and 2 in the first"),
        ([[[1, 2]]], "no channel 'hours'"),
        ("[1, 2", "is text that begins like JSON and is none"),
        ("[" * 100_001, "has more than 100000 steps"),
        ("[" * 90_000, "is text that begins like JSON and is none"),
        ("a\n" * 100_002, "has 100002 steps, more than 100000"),
        ("," * 1025 + "\n1", "has 1026 channels, more than 1024"),
        (np.zeros((2, 2, 2)), "a series is [steps] or [steps, channels]"),
        (np.array(["a"]), "of numbers"),
        (npy(np.zeros((3, 2)))[:-8], "is an npy file that is cut off"),
        (npy(np.zeros(3))[:20], "is an npy file that can't be read"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG picture"),
        (5, "is a int, not a time series"),
    ],
)  # fmt: skip
def test_what_is_no_such_series_is_refused_with_the_reason(cell, reason):
    with pytest.raises(BadCell) as refused:
        fitted().decode(cell)
    assert reason in refused.value.reason
    assert len(refused.value.reason) < 400


def test_an_npy_header_that_claims_more_than_there_is_allocates_nothing():
    data = npy(np.zeros(3)).replace(b"(3,), ", b"(99999, 40), ")
    with pytest.raises(BadCell):
        fitted().decode(data)
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}]), allow_pickle=True)
    with pytest.raises(BadCell, match="type object"):
        fitted().decode(pickled.getvalue())


def test_a_larger_cell_is_refused_before_it_is_parsed():
    for cell in ("a\n" * 60, ("a\n" * 60).encode()):
        with pytest.raises(BadCell, match="more than max_bytes=100"):
            fitted(max_bytes=100).decode(cell)


CELLS = st.one_of(
    st.text("[]{}\":,;\n0123456789.eE+-anul ", max_size=60), st.text(), st.binary(max_size=200),
    st.recursive(st.one_of(st.none(), st.floats(), st.integers(), st.text()),
                 lambda inner: st.one_of(st.lists(inner, max_size=4),
                                         st.dictionaries(st.text(), inner, max_size=3))),
    st.binary(max_size=60).map(lambda end: npy(np.zeros(2))[:70] + end),
)  # fmt: skip


@given(CELLS)
def test_whatever_a_cell_holds_it_is_read_or_refused(cell):
    for column in (fitted(), fitted([1.0]), SeriesColumn(SeriesSpec(channels=["a"]))):
        try:
            value = column.decode(cell)
        except BadCell as bad:
            reason = bad.reason
        else:
            if value is not None:
                assert value.shape[1:] == column.storage.shape
                assert len(value) >= 1
                assert np.isfinite(value).all()
            continue
        assert 0 < len(reason) < 500


@given(st.lists(st.lists(st.one_of(st.none(), st.floats(-1e30, 1e30)), min_size=2, max_size=2),
                min_size=1, max_size=8))  # fmt: skip
def test_lists_and_their_json_are_one(steps):
    column = fitted(steps)
    np.testing.assert_array_equal(column.decode(steps), column.decode(json.dumps(steps)))


def test_fit_passes_over_a_cell_whose_values_are_no_numbers():
    assert fitted(CSV, "hours,HR\n0,fast").state["series"] == 1


def test_lines_and_marks_are_counted_before_a_text_is_parsed(monkeypatch):
    monkeypatch.setattr(read.csv, "reader", None)
    monkeypatch.setattr(read.json, "loads", None)
    for cell in ("a\n" * 100_002, "[" * 100_001, "[" + "0," * 4_000_001):
        with pytest.raises(BadCell, match="more than"):
            read.of_text(cell, 10**9)
