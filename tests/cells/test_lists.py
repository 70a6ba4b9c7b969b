"""Labels: several in one string, or a list that is written as text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.cells.lists import items
from mmbm.errors import BadCell
from mmbm.kinds.labels.column import LabelsColumn
from mmbm.kinds.labels.spec import LabelsSpec


def test_a_cell_of_a_million_labels_is_a_bad_cell_and_costs_nothing():
    column = LabelsColumn(LabelsSpec(separator="|"), {"values": ["a"], "counts": [1], "rows": 1})
    for cell in ("|" * 1_000_000, ["a"] * 1_000_000):
        with pytest.raises(BadCell, match="more than 10,000 labels"):
            column.decode(cell)
    assert column.decode("|".join(["a"] * 9_000)).tolist() == [1]


@pytest.mark.parametrize(
    "text",
    [
        "['a', 'b c']", '["a", "b c"]', "('a', 'b c')", "{'a', 'b c'}", "['a' 'b c']",
        "['a'\n 'b c']", "[a, b c]", "{a,b c}", "array(['a', 'b c'])", " [ 'a' , \"b c\" ] ",
        "['a', None, 'b c']",
    ],
)  # fmt: skip
def test_a_list_is_read_however_it_was_written(text: str):
    assert items(text) == ["a", "b c"]


@pytest.mark.parametrize("text", ["a, b", "[", "[['a'], ['b']]", '[{"a": 1}]', "['a' b]", ""])
def test_what_is_no_list_of_labels_is_a_bad_cell(text: str):
    with pytest.raises(BadCell):
        items(text)


@given(st.lists(st.text(max_size=12)))
def test_what_python_and_json_write_is_read_back(labels: list[str]):
    assert items(repr(labels)) == labels
    assert items(json.dumps(labels)) == labels


@given(st.text("[]{}()'\",\\ab \n", max_size=30))
def test_any_text_is_a_list_or_a_bad_cell(text: str):
    try:
        found = items(text)
    except BadCell:
        return
    assert all(isinstance(item, str) for item in found)


def test_a_column_of_lists_written_as_text_has_their_labels():
    column = LabelsColumn(LabelsSpec(format="list", missing=["nan"]))
    column.fit(["['war', 'love']", "['love']", "[]", "nan", None])

    assert column.state == {"values": ["love", "war"], "counts": [2, 1], "rows": 3}
    assert column.decode("['war']").tolist() == [0, 1]
    assert column.decode(["war"]).tolist() == [0, 1]
    assert column.decode("[]").tolist() == [0, 0]
    assert column.decode("nan") is None
    with pytest.raises(BadCell, match="not a list"):
        column.decode("war")


@pytest.mark.parametrize("cell", [[0.1, 0.2], [{"a": 1}], [["a"]]])
def test_lists_of_other_things_are_no_labels(cell):
    column = LabelsColumn(LabelsSpec())
    column.fit([["a"]])

    with pytest.raises(BadCell, match="not labels"):
        column.decode(cell)
