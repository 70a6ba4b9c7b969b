"""How rows are divided: in proportion, without leaks, and always the same way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.config import SplitSpec
from mmbm.data.split import fold_rows, split_rows
from mmbm.data.table import open_table
from mmbm.errors import TableError
from mmbm.kinds.category.spec import CategoryTarget
from mmbm.kinds.number.spec import NumberTarget

LABEL = {"label": CategoryTarget()}


def table_of(**columns):
    return open_table(columns)


def classes(*counts: int, seed: int = 0) -> list[str]:
    """Labels a, b, … so many times each, shuffled."""
    labels = [chr(97 + i) for i, count in enumerate(counts) for _ in range(count)]
    return np.random.default_rng(seed).permutation(labels).tolist()


def assert_partition(splits, rows: int):
    assert list(splits) == ["train", "valid", "test"]
    together = np.concatenate(list(splits.values()))
    assert sorted(together) == list(range(rows))
    for part in splits.values():
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


# ── by chance ────────────────────────────────────────────────────────────────────────────────────


def test_every_class_has_its_share_of_every_split():
    labels = np.array(classes(700, 200, 100))
    splits = split_rows(table_of(label=labels), SplitSpec(valid=0.1, test=0.2), LABEL)

    assert_partition(splits, 1000)
    for split, part in (("train", 0.7), ("valid", 0.1), ("test", 0.2)):
        for label, count in (("a", 700), ("b", 200), ("c", 100)):
            assert abs((labels[splits[split]] == label).sum() - part * count) <= 1


def test_the_seed_decides_and_nothing_else():
    table = table_of(label=classes(50, 50))

    same = [split_rows(table, SplitSpec(seed=s), LABEL)["test"].tolist() for s in (7, 7, 8)]

    assert same[0] == same[1] != same[2]


def test_a_class_of_one_or_two_rows_is_trained_on():
    labels = np.array(classes(200, 1, 2))
    splits = split_rows(table_of(label=labels), SplitSpec(), LABEL)

    assert {"b", "c"} <= set(labels[splits["train"]])
    assert set(labels[splits["test"]]) == {"a"}


def test_zero_fractions_leave_a_split_empty():
    splits = split_rows(table_of(x=range(10)), SplitSpec(valid=0, test=0), {"x": NumberTarget()})

    assert [len(part) for part in splits.values()] == [10, 0, 0]


def test_too_few_rows_are_refused():
    with pytest.raises(TableError, match="too few to split"):
        split_rows(table_of(x=[1, 2]), SplitSpec(), {})


@given(st.integers(4, 200), st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.integers(0, 9))
def test_any_fractions_partition_the_rows(rows, valid, test, seed):
    labels = [str(i % 3) for i in range(rows)]
    spec = SplitSpec(valid=valid, test=test, seed=seed)
    splits = split_rows(table_of(label=labels), spec, LABEL)

    assert_partition(splits, rows)
    assert all(len(part) for part in splits.values())
    assert abs(len(splits["test"]) - test * rows) <= 1
    assert abs(len(splits["valid"]) - valid * rows) <= 1


# ── by column ────────────────────────────────────────────────────────────────────────────────────


def test_a_split_column_is_followed_in_its_usual_spellings():
    cells = ["train", " Training", "val", "validation", "dev", "TEST"]

    splits = split_rows(table_of(split=cells), "split", {})

    assert [part.tolist() for part in splits.values()] == [[0, 1], [2, 3, 4], [5]]
    assert splits.notes == ()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["train", "holdout"], "row 2: the split column 'split' says 'holdout'"),
        (["train", None], "row 2: the split column 'split' is empty"),
        (["test", "valid"], "has no train rows"),
    ],
)
def test_a_wrong_split_column_is_refused(cells, message):
    with pytest.raises(TableError, match=message):
        split_rows(table_of(split=cells), "split", {})


def test_without_valid_rows_part_of_train_validates_and_it_is_said():
    label = classes(80, 20) + ["a"] * 20
    splits = split_rows(
        table_of(split=["train"] * 100 + ["test"] * 20, label=label), "split", LABEL
    )

    assert_partition(splits, 120)
    assert [len(part) for part in splits.values()] == [90, 10, 20]
    assert sorted(np.array(label)[splits["valid"]]) == ["a"] * 8 + ["b"] * 2
    assert "no valid rows" in splits.notes[0]


# ── by group and by time ─────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(1, 40), min_size=3, max_size=30), st.integers(0, 5))
def test_no_group_is_in_two_splits(sizes: list[int], seed: int):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    splits = split_rows(table_of(who=groups), SplitSpec(group="who", seed=seed), {})

    assert_partition(splits, len(groups))
    found = [set(groups[part]) for part in splits.values()]
    assert all(found)
    assert sum(map(len, found)) == len(sizes)


def test_groups_come_close_to_the_fractions():
    groups = np.random.default_rng(0).integers(0, 100, 5000)
    splits = split_rows(table_of(who=groups), SplitSpec(group="who", valid=0.1, test=0.2), {})

    for split, part in (("train", 0.7), ("valid", 0.1), ("test", 0.2)):
        assert abs(len(splits[split]) / 5000 - part) < 0.01


def test_large_groups_among_small_ones_do_not_spoil_the_fractions():
    sizes = [300, 150] + [5] * 110  # 1000 rows
    groups = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(5):
        spec = SplitSpec(group="who", valid=0.1, test=0.2, seed=seed)
        splits = split_rows(table_of(who=groups), spec, {})
        assert [len(part) for part in splits.values()] == [700, 100, 200]


def test_rows_without_a_group_stay_together():
    groups = ["a", None, "b", "", "c", None, "d", "e"] * 3
    splits = split_rows(table_of(who=groups), SplitSpec(group="who"), {})

    blank = {i for i, group in enumerate(groups) if not group}
    assert sum(bool(blank & set(part.tolist())) for part in splits.values()) == 1


def test_too_few_groups_are_refused():
    with pytest.raises(TableError, match="2 different values"):
        split_rows(table_of(who=["a", "b"] * 5), SplitSpec(group="who"), {})


@pytest.mark.parametrize(
    "times",
    [
        [str(i) for i in range(5, 105)],  # as text 100 sorts before 99
        [f"2024-01-{d:02d}T{h:02d}:00:00" for d in range(1, 26) for h in (0, 6, 12, 18)],
        [f"{d:02d}/01/2024 {h:02d}:00" for d in range(1, 26) for h in (0, 6, 12, 18)],
        [i * 0.5 for i in range(100)],
    ],
    ids=["numbers in text", "dates", "day first", "numbers"],
)
def test_the_latest_rows_test_and_those_before_validate(times: list):
    order = np.random.default_rng(0).permutation(100)  # row -> place in time
    table = table_of(time=[times[i] for i in order])

    splits = split_rows(table, SplitSpec(time="time", valid=0.1, test=0.2), {})

    assert_partition(splits, 100)
    assert sorted(order[splits["test"]]) == list(range(80, 100))
    assert sorted(order[splits["valid"]]) == list(range(70, 80))


def test_text_is_never_sorted_as_if_it_were_time():
    times = ["2024-01-01"] * 9 + ["run_0009"]
    with pytest.raises(TableError, match="row 10: the time column 'time' is 'run_0009'"):
        split_rows(table_of(time=times), SplitSpec(time="time"), {})


def test_dates_with_offsets_are_compared_in_one_time_zone():
    times = ["2024-01-01T12:00+08:00", "2024-01-01T05:00Z", "2024-01-01 06:00"] + ["2023-01-01"] * 7
    splits = split_rows(table_of(time=times), SplitSpec(time="time", valid=0.1, test=0.1), {})

    assert splits["test"].tolist() == [2]
    assert splits["valid"].tolist() == [1]


def test_rows_of_one_moment_stay_together():
    times = [0] * 60 + [1] * 15 + [2] * 25
    splits = split_rows(table_of(time=times), SplitSpec(time="time", valid=0.1, test=0.2), {})

    assert [len(part) for part in splits.values()] == [60, 15, 25]


def test_too_few_moments_are_refused():
    with pytest.raises(TableError, match="2 different values, too few to split by"):
        split_rows(table_of(time=[1] * 50 + [2] * 50), SplitSpec(time="time"), {})


def test_a_row_without_a_time_is_refused():
    with pytest.raises(TableError, match="row 3: the time column 'time' is empty"):
        split_rows(table_of(time=[1, 2, None]), SplitSpec(time="time"), {})


# ── folds ────────────────────────────────────────────────────────────────────────────────────────


def test_folds_are_of_one_size_and_stratified_and_test_stays_apart():
    labels = np.array(classes(300, 100))
    folds = fold_rows(table_of(label=labels), SplitSpec(test=0.2, folds=4), LABEL)

    assert (folds == -1).sum() == 80
    for fold in range(4):
        assert abs((labels[folds == fold] == "a").sum() - 60) <= 1
        assert abs((labels[folds == fold] == "b").sum() - 20) <= 1


def test_folds_of_groups_share_no_group():
    groups = np.random.default_rng(0).integers(0, 20, 400)
    folds = fold_rows(table_of(who=groups), SplitSpec(group="who", folds=3), {})

    assert all(len(set(folds[groups == group])) == 1 for group in range(20))
    assert set(folds) == {-1, 0, 1, 2}


def test_folds_of_time_are_consecutive():
    folds = fold_rows(table_of(time=range(100)), SplitSpec(time="time", test=0.2, folds=4), {})

    assert folds.tolist() == [i // 20 for i in range(80)] + [-1] * 20


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(TableError, match=r"fewer values of 'who' than folds \(3\)"):
        fold_rows(table_of(who=["a", "b"] * 5), SplitSpec(group="who", folds=3, test=0), {})
