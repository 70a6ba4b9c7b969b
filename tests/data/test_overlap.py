"""A bundle knows its rows: what it trained on is never measured in silence."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mmbm
from mmbm.bundle import ROWS
from mmbm.config.load import parse
from mmbm.data.check import check
from mmbm.data.overlap import members
from mmbm.errors import TableError
from mmbm.kinds.image.column import ImageColumn


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rows")


@pytest.fixture(scope="module")
def frame():
    """Labels of pure chance, which a model can only know by heart."""
    generator = np.random.default_rng(1)
    return pd.DataFrame(
        {"code": [f"c{i}" for i in range(80)], "n": generator.random(80).round(6),
         "label": generator.choice(["a", "b"], 80)}
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(folder, frame):
    frame.to_csv(folder / "t.csv", index=False)
    config = {
        "data": {"table": str(folder / "t.csv")},
        "inputs": {"code": {"kind": "category"}, "n": {"kind": "number"}},
        "targets": {"label": {"kind": "category"}},
        "train": {"epochs": 3, "batch_size": 8, "golden_rows": 2},
    }
    return mmbm.train(config, run=folder / "run")


def test_the_training_table_is_measured_on_its_test_rows_in_any_order_and_format(
    bundle, folder, frame
):
    expected = bundle.metrics["test"]
    assert bundle.evaluate(folder / "t.csv") == expected
    shuffled = frame.sample(frac=1, random_state=3)
    shuffled.to_parquet(folder / "other.parquet")
    for table in (folder / "other.parquet", shuffled):
        again = bundle.evaluate(table)
        assert again["rows"] == expected["rows"]
        assert again["targets"]["label"]["accuracy"] == expected["targets"]["label"]["accuracy"]


def test_rows_that_trained_are_left_out_and_said(bundle, folder, frame, capsys):
    more = pd.concat([frame, pd.DataFrame({"code": ["new"], "n": [0.5], "label": ["a"]})])
    assert bundle.evaluate(more)["rows"] == 17
    said = capsys.readouterr().err
    assert "64 of 81 rows are left out, as the model was trained on them; 17 are measured" in said
    assert "(16 of the test split, 1 new)" in said


def test_another_table_is_measured_whole_and_said(bundle, capsys):
    fresh = pd.DataFrame({"code": [f"z{i}" for i in range(50)], "n": 0.25, "label": "a"})
    assert bundle.evaluate(fresh)["rows"] == 50
    assert "no row of it was trained on; all 50 are measured" in capsys.readouterr().err
    with pytest.raises(TableError, match="no usable rows in the train split"):
        bundle.evaluate(fresh, split="train")


def test_a_table_of_trained_rows_alone_is_measured_with_a_warning(bundle, folder, frame, capsys):
    train = bundle.evaluate(frame, split="train")
    assert train["rows"] == 56
    capsys.readouterr()
    bundle.evaluate(frame, split=None)
    assert "64 of the 80 rows that are measured are rows that the model was" in (
        capsys.readouterr().err
    )


def test_the_bundle_keeps_eight_bytes_a_row_and_no_cells(bundle):
    assert (bundle.path / ROWS).stat().st_size < 80 * 8 + 400


def test_each_known_row_is_found_once():
    digests = np.array([5, 7, 5, 5, 9], np.uint64)
    known = np.array([5, 5, 9], np.uint64)
    assert members(digests, known).tolist() == [True, False, True, False, True]
    assert not members(digests, known[:0]).any()
    assert members(digests[:0], known).tolist() == []


@pytest.mark.parametrize(
    "inputs", [{"text": {"kind": "text"}}, {"n": {"kind": "number"}}, {"c": {"kind": "category"}}]
)
def test_repeated_rows_across_splits_are_reported_for_every_kind(inputs, tmp_path):
    generator = np.random.default_rng(2)
    rows = pd.DataFrame(
        {"text": [" ".join(generator.choice(list("abcdefgh"), 9)) for _ in range(40)],
         "n": generator.random(40), "c": [f"v{i}" for i in range(40)],
         "label": generator.choice(["a", "b"], 40)}
    )  # fmt: skip
    config = parse(
        {"data": {"table": "t.csv"}, "inputs": inputs, "targets": {"label": {"kind": "category"}}}
    )
    several = pd.concat([rows] * 3).sample(frac=1, random_state=1)
    said = " ".join(check(config, tmp_path, tmp_path / "q.csv", several))
    assert "test rows have the same inputs as a train row (duplicates)" in said
    said = " ".join(check(config, tmp_path, tmp_path / "q.csv", rows))
    assert "duplicates" not in said
    empty = rows.assign(**{name: [None] * 20 + list(rows[name][20:]) for name in inputs})
    said = " ".join(check(config, tmp_path, tmp_path / "q.csv", empty))
    assert "duplicates" not in said, "rows without any input are alike in nothing"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A table of pictures and a bundle of each way to divide it."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(2)
    for i in range(200):
        Image.fromarray(generator.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{i}.png")
    frame = pd.DataFrame(
        {"photo": [f"{i}.png" for i in range(200)], "label": generator.choice(["a", "b"], 200),
         "split": ["train"] * 140 + ["valid"] * 20 + ["test"] * 40, "day": range(200)}
    )  # fmt: skip
    frame.to_csv(folder / "t.csv", index=False)
    return folder, frame


@pytest.mark.parametrize("rule", ["split", {"seed": 3}, {"time": "day"}], ids=str)
def test_evaluating_a_split_of_the_training_table_decodes_only_its_rows(
    pictures, tmp_path, monkeypatch, capsys, rule
):
    folder, frame = pictures
    config = {
        "data": {"table": str(folder / "t.csv"), "split": rule},
        "inputs": {"photo": {"kind": "image", "size": 8}},
        "targets": {"label": {"kind": "category"}},
        "train": {"epochs": 1, "batch_size": 8, "golden_rows": 2},
    }
    bundle = mmbm.train(config, run=tmp_path / "run")
    decoded = []
    decode = ImageColumn.decode
    monkeypatch.setattr(ImageColumn, "decode", lambda s, c: decoded.append(c) or decode(s, c))

    capsys.readouterr()
    assert bundle.evaluate(folder / "t.csv") == bundle.metrics["test"]
    assert len(set(decoded) - {None}) == 40
    if rule != "split":
        assert "40 of 200 rows are test rows, as in training" in capsys.readouterr().err

    shuffled = frame.sample(frac=1, random_state=3)  # another division: its rows tell
    again = bundle.evaluate(shuffled, root=folder)
    assert again["rows"] == 40
    loss = bundle.metrics["test"]["targets"]["label"]["log_loss"]
    assert again["targets"]["label"]["log_loss"] == pytest.approx(loss)
