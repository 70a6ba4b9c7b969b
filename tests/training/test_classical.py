"""Which rows are in one fold."""

import numpy as np
import tiny

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.training.classical import assign

CLASSICAL = ["linear", "boosting", "forest"]


def config(table, members="auto", **train):
    made = tiny.config(table, **train)
    made["targets"] |= {"amount": {"kind": "number"}, "tags": {"kind": "labels"}}
    made["inputs"]["remark"]["tokenizer"] = "word"
    return {**made, "members": members}


def test_rows_of_a_group_are_in_one_fold(table, tmp_path):
    made = config(table, CLASSICAL)
    made["data"]["group"] = "place"
    parsed = configfile.parse(made)
    data = prepare(parsed, tmp_path)
    rows = data.splits["train"].rows
    fold_of = assign(parsed, data, rows)
    places = np.array(list(data.table.cells("place", rows)))
    for place in np.unique(places):
        assert len(np.unique(fold_of[places == place])) == 1
    assert len(np.unique(fold_of)) == 4


def test_folds_have_classes_in_proportion(table, tmp_path):
    parsed = configfile.parse(config(table, CLASSICAL))
    data = prepare(parsed, tmp_path)
    rows = data.splits["train"].rows
    fold_of = assign(parsed, data, rows)
    labels = np.array(list(data.table.cells("label", rows)))
    for label in np.unique(labels):
        counts = np.bincount(fold_of[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_folds_of_a_split_by_time_are_stretches_of_time(tmp_path):
    generator = np.random.default_rng(0)
    days = generator.permutation(50)
    rows = [{"day": f"2024-01-{d + 1:02}" if d < 31 else f"2024-02-{d - 30:02}", "n": 1.0,
             "y": "ab"[d % 2]} for d in days]  # fmt: skip
    parsed = configfile.parse(
        {"data": {"table": "t", "split": {"time": "day"}}, "inputs": {"n": "number"},
         "targets": {"y": "category"}, "members": ["linear"]}
    )  # fmt: skip
    data = prepare(parsed, tmp_path, table=rows)
    chosen = data.splits["train"].rows
    fold_of = assign(parsed, data, chosen)
    assert (np.diff(fold_of[np.argsort(days[chosen])]) >= 0).all()
    assert len(np.unique(fold_of)) == 5
