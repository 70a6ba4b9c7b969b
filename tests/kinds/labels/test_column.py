"""Labels: from text or lists; unseen and rare ones are left out."""

import pytest

from mmbm.errors import BadCell
from mmbm.kinds.labels.column import LabelsColumn
from mmbm.kinds.labels.spec import LabelsSpec


def fitted(column, cells):
    column.fit(cells)
    return column


def test_labels_come_from_text_or_lists_and_unseen_ones_are_ignored():
    column = fitted(LabelsColumn(LabelsSpec()), ["wet; cold", ["wet"], "", None])

    assert column.state == {"values": ["cold", "wet"], "counts": [1, 2], "rows": 3}
    assert column.decode("wet;dry").tolist() == [0, 1]
    assert column.decode(["cold", "wet", "wet"]).tolist() == [1, 1]


def test_no_labels_is_not_the_same_as_no_answer():
    column = fitted(LabelsColumn(LabelsSpec()), ["a"])

    assert column.decode("").tolist() == [0]
    assert column.decode([]).tolist() == [0]
    assert column.decode(None) is None


def test_rare_labels_are_left_out():
    column = fitted(LabelsColumn(LabelsSpec(min_count=2, separator="|")), ["a|b", "a"])

    assert column.storage.shape == (1,)
    assert column.decode("a|b").tolist() == [1]


def test_a_cell_of_a_million_labels_is_a_bad_cell_and_costs_nothing():
    column = LabelsColumn(LabelsSpec(separator="|"), {"values": ["a"], "counts": [1], "rows": 1})
    for cell in ("|" * 1_000_000, ["a"] * 1_000_000):
        with pytest.raises(BadCell, match="more than 10,000 labels"):
            column.decode(cell)
    assert column.decode("|".join(["a"] * 9_000)).tolist() == [1]


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


def test_labels_know_what_training_never_saw():
    column = LabelsColumn(LabelsSpec())
    column.fit(["a;b", "b"])
    assert column.unseen("a;z;y") == ["z", "y"]
    assert column.unseen(None) == []


def test_labels_written_as_lists_are_compared_label_by_label():
    from mmbm.kinds.labels.column import LabelsColumn
    from mmbm.kinds.labels.spec import LabelsSpec

    column = LabelsColumn(LabelsSpec(kind="labels", format="list"))
    column.fit(["['a', 'b']", "['b']"])
    assert column.unseen('["b", "a"]') == []
    assert column.unseen("['a', 'zz']") == ["zz"]
