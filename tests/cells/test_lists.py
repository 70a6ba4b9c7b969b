"""Labels: several in one string, or a list that is written as text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.cells.lists import items
from mmbm.errors import BadCell


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
