"""A value that training never saw is counted and named, and another spelling of one it saw isn't
such a value."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import mmbm
from mmbm.config.load import load, parse
from mmbm.data.check import check


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 rows whose flag tells the label, a bool column; the last 6 test rows are zebras."""
    folder = tmp_path_factory.mktemp("unseen")
    flag = np.arange(60) % 2 == 1
    label = np.where(flag, "on", "off").astype(object)
    label[54:] = "zebra"
    split = ["train"] * 40 + ["valid"] * 8 + ["test"] * 12
    town = [f"t{i % 3}" if i < 50 else "nowhere" for i in range(60)]
    frame = pd.DataFrame({"flag": flag, "town": town, "label": label, "split": split})
    frame.to_parquet(folder / "t.parquet")
    return folder


CONFIG = {
    "inputs": {"flag": {"kind": "category"}, "town": {"kind": "category"}},
    "targets": {"label": {"kind": "category"}},
    "train": {"epochs": 12, "batch_size": 8, "lr": 0.01, "golden_rows": 2},
}


@pytest.fixture(scope="module")
def bundle(folder):
    config = {"data": {"table": str(folder / "t.parquet"), "split": "split"}, **CONFIG}
    return mmbm.train(config, run=folder / "run")


def test_a_bool_column_is_answered_alike_in_every_spelling(bundle, folder):
    frame = pd.read_parquet(folder / "t.parquet")[:40]
    for words in ((0, 1), ("f", "t"), ("no", "yes"), ("FALSE", "TRUE"), ("0.0", "1.0")):
        rows = frame.assign(flag=frame.flag.map({False: words[0], True: words[1]}))
        assert [a["label"] for a in bundle.predict(rows)] == frame.label.tolist()


def test_predict_says_how_many_cells_hold_values_that_training_never_saw(bundle, capsys):
    rows = [{"flag": True, "town": town} for town in ("t1", None, "zz", "yy")]
    bundle.predict(rows)
    said = capsys.readouterr().err
    assert "2 of 4 cells of column 'town' hold values that training never saw" in said
    assert "(first: row 3, 'zz')" in said
    bundle.predict(rows[:2])
    assert capsys.readouterr().err == ""


def test_check_and_train_name_the_classes_that_no_train_row_has(bundle, folder, tmp_path, capsys):
    config = parse({"data": {"table": str(folder / "t.parquet"), "split": "split"}, **CONFIG})
    said = " ".join(check(config, tmp_path, tmp_path / "quarantine.csv"))
    assert "6 of 12 test rows are of classes that no train row has (zebra)" in said
    assert "10 of 12 test cells of column 'town' hold values that training never saw" in said
    mmbm.train(config, run=tmp_path / "run", overrides=None)
    assert "(zebra)" in capsys.readouterr().err
    scores = bundle.metrics["test"]["targets"]["label"]
    assert scores["rows_of_unseen_classes"] == 6
    assert scores["accuracy_of_seen_classes"] == 2 * scores["accuracy"] == 1.0


def test_evaluate_names_unseen_classes_and_values(bundle, tmp_path, capsys):
    pd.DataFrame({"flag": [True] * 9, "town": "far", "label": "zebra", "split": "test"}).to_csv(
        tmp_path / "z.csv", index=False
    )
    report = bundle.evaluate(tmp_path / "z.csv", split=None)
    said = capsys.readouterr().err
    assert "9 of 9 rows are of classes that no train row has (zebra)" in said
    assert "9 of 9 cells of column 'town'" in said
    assert report["targets"]["label"]["accuracy_of_seen_classes"] is None


def test_the_command_line_says_it_on_one_line_at_the_end(bundle):
    command = [sys.executable, "-c", "from mmbm.cli import main; main()", "predict"]
    more = [str(bundle.path), "--cell", "town=zz", "--cell", "flag=yes"]
    done = subprocess.run([*command, *more], capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["label"] == "on"
    assert "1 of 1 cells of column 'town'" in done.stderr


def test_going_on_from_a_bundle_keeps_a_truth_value_one_class(tmp_path):
    x = np.arange(40) % 2
    config = {
        "data": {"table": "t.csv"},
        "inputs": {"x": {"kind": "number"}},
        "targets": {"y": {"kind": "category"}},
        "members": ["network"],
        "train": {"epochs": 1, "batch_size": 8, "golden_rows": 0},
    }
    first = mmbm.train(config, table=pd.DataFrame({"x": x, "y": x == 1}), run=tmp_path / "first")
    more = pd.DataFrame({"x": x, "y": np.where(x == 1, "yes", "no")})
    second = mmbm.train(config, table=more, run=tmp_path / "second", start=first.path)
    assert second.values("y") == ["false", "true"]
    assert load(second.path / "config.yaml").targets["y"].kind == "category"
