"""The config that `mmbm init` writes: which columns it reads, and how it says so."""

import random
from pathlib import Path

import pytest
import yaml
from guesses import LABEL, NOISE, RANDOM, ROWS, column, to_text

from mmbm.config import Config
from mmbm.data.table import open_table
from mmbm.errors import TableError
from mmbm.init import infer, report, to_yaml


def test_the_setting_that_uneven_classes_are_given_is_a_valid_one():
    cells = ["no"] * 250 + ["yes"] * 50
    inferred = infer(open_table({"x": NOISE, "y": random.Random(0).sample(cells, ROWS)}), ["y"])
    raw = yaml.safe_load(to_text(inferred))
    advice = inferred.warnings[0].split("`")[1]

    raw["train"] |= yaml.safe_load(advice)["train"]

    assert Config.model_validate(raw).train.monitor == "y.balanced_accuracy"


def test_all_that_is_left_out_is_printed_with_its_reason():
    table = {"id": list(range(ROWS)), "same": ["a"] * ROWS, "empty": [None] * ROWS, "x": NOISE}
    inferred = infer(open_table({**table, "why": NOISE, "label": LABEL}), ["label"], drop=["why"])

    assert [line for line in report(inferred) if line.startswith("Left out")] == [
        "Left out: id: an identifier: different in (nearly) every row.",
        "Left out: same: the same in every row: a.",
        "Left out: empty: empty.",
        "Left out: why: dropped as asked.",
    ]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (column(lambda i: None), "empty in every row"),
        (column(lambda i: "one"), "one value, one"),
        (column(lambda i: f"a sentence about {i}"), "300 different values"),
    ],
)
def test_a_target_with_nothing_to_learn_is_refused(cells, message):
    with pytest.raises(TableError, match=message):
        infer(open_table({"x": NOISE, "t": cells}), ["t"])


def test_a_column_that_is_not_there_is_refused():
    table = open_table({"x": NOISE, "label": LABEL})
    for arguments in ({"targets": ["lable"]}, {"targets": ["label"], "drop": ["lable"]}):
        with pytest.raises(TableError, match="Did you mean 'label'"):
            infer(table, **arguments)


def test_no_input_left_is_refused_with_every_reason():
    table = open_table({"id": list(range(ROWS)), "label": LABEL})

    with pytest.raises(TableError, match="id: an identifier"):
        infer(table, ["label"])


def test_a_split_column_is_used_and_a_second_one_left_out():
    splits = column(lambda i: ["train", "train", "train", "valid", "test"][i % 5])
    table = open_table({"official": splits[::-1], "split": splits, "x": NOISE, "label": LABEL})

    inferred = infer(table, ["label"])

    assert inferred.split == "split"
    assert inferred.left_out["official"].why == "another split of the rows"


def test_values_that_only_occur_in_train_or_only_outside_are_left_out():
    splits = column(lambda i: ["train", "train", "test"][i % 3])
    room = [f"{split} room {RANDOM.randint(0, 3)}" for split in splits]
    table = open_table({"room": room, "split": splits, "x": NOISE, "label": LABEL})

    assert "occurs in train" in infer(table, ["label"]).left_out["room"].why


def test_drop_and_only_choose_the_inputs():
    table = open_table({"x": NOISE, "y": NOISE[::-1], "z": NOISE[5:] + NOISE[:5], "label": LABEL})

    assert list(infer(table, ["label"], drop=["y"]).inputs) == ["x", "z"]
    assert list(infer(table, ["label"], only=["y"]).inputs) == ["y"]


def test_the_file_names_the_table_relative_to_itself_and_is_a_valid_config(tmp_path: Path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "table: 1.csv"
    lines = [f"{n};{label}" for n, label in zip(NOISE, LABEL)]
    path.write_text("\n".join(["a: b;label", *lines]), encoding="utf-16")
    table = open_table(path, encoding="utf-16", delimiter=";")

    text = to_yaml(infer(table, ["label"]), tmp_path / "config.yaml")

    raw = yaml.safe_load(text)
    config = Config.model_validate(raw)
    assert config.data.table == "data/table: 1.csv"
    assert (config.data.encoding, config.data.delimiter) == ("utf-16", ";")
    assert list(config.inputs) == ["a: b"]


def test_small_tables_get_more_epochs_than_large_ones():
    few = infer(open_table({"x": NOISE, "label": LABEL}), ["label"]).train
    many = infer(open_table({"x": NOISE * 400, "label": LABEL * 400}), ["label"]).train

    assert few["epochs"] > many["epochs"] >= 3
    assert few["batch_size"] < many["batch_size"]
