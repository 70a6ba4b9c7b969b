"""Keys of cells: what is a duplicate of what."""

import numpy as np
import pairs
import pytest

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return pairs.make(tmp_path_factory.mktemp("pairs"))


def test_keys_are_equal_where_cells_are_and_zero_where_they_are_absent(table, tmp_path):
    data = prepare(configfile.parse(pairs.config(table)), tmp_path)
    rows = data.splits["train"]
    keys = rows.gather(np.arange(len(rows))).targets["alike"].values
    texts = list(data.table.cells("en", rows.rows))
    for i in range(len(rows)):
        for j in range(i):
            same = bool(texts[i]) and texts[i] == texts[j]
            assert (keys[i, 1] == keys[j, 1] != 0) == same
    photos = list(data.table.cells("photo", rows.rows))
    assert [bool(cell) for cell in photos] == (keys[:, 0] > 0).tolist()
    assert len(np.unique(keys[:, 0][keys[:, 0] > 0])) == sum(map(bool, photos))


def test_texts_that_differ_only_in_words_never_learned_are_no_duplicates(table, tmp_path):
    import pandas

    frame = pandas.read_csv(table)
    frame["photo"] = [str(table.parent / p) if isinstance(p, str) else None for p in frame["photo"]]
    last = frame.index[frame["split"] == "test"][:3]
    frame.loc[last, "en"] = ["zebra", "giraffe", "zebra  "]
    rows = prepare(configfile.parse(pairs.config(table)), tmp_path, table=frame).splits["test"]
    first, second, third = rows.gather(np.arange(3)).targets["alike"].values[:, 1]
    tokens = rows.stores["en"].gather(rows.rows[:3]).values
    assert (tokens[0] == tokens[1]).all()
    assert first == third != second


def test_a_row_with_one_cell_teaches_nothing_and_is_told(table, tmp_path):
    import pandas

    frame = pandas.read_csv(table)
    frame["photo"] = [str(table.parent / p) if isinstance(p, str) else None for p in frame["photo"]]
    frame.loc[0, ["en", "zh"]] = None
    data = prepare(configfile.parse(pairs.config(table)), tmp_path, table=frame)
    assert 0 not in data.splits["train"].rows
    (note,) = [note for note in data.notes if "have no target" in note]
    assert note.startswith(
        "1 rows have no target (of a contrastive target: cells in two of its columns)"
    )
