"""Rows without a class teach too, in a second round."""

import numpy as np
import pytest
import resuming
import tiny
from trainers import trainer_of

import mmbm
from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.errors import ConfigError
from mmbm.inference.runners import flatten

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("tiny"), rows=64)


def emptied(path, folder, keep: int, split: str = "train"):
    """The table with its first `keep` labels of this split, and the rest empty."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    place, seen = lines[0].index("label"), 0
    for cells in lines[1:]:
        if cells[-1] == split:
            seen += 1
            cells[place] = cells[place] if seen <= keep else ""
    made = folder / f"{keep}-{split}.csv"
    made.write_text("\n".join(map(",".join, lines)) + "\n")
    return made


def sparse(table, tmp_path, keep: int = 24, threshold: float = 0.6, **train) -> dict:
    made = tiny.config(emptied(table, tmp_path, keep), **train)
    made["data"]["root"] = str(table.parent)
    made["inputs"] = {name: made["inputs"][name] for name in ("photo", "speed")}
    made["train"]["self_training"] = {"threshold": threshold}
    return made


def test_only_train_rows_without_a_class_get_one(table, tmp_path, capsys):
    from mmbm.training.self_training import label

    trainer = trainer_of(made := sparse(table, tmp_path, threshold=0.0), tmp_path)
    config = configfile.parse(made)
    data = prepare(config, tmp_path / "prepared")
    assert any("24 train rows have no target" in note for note in data.notes)
    more = label(config, data, data, trainer.validator.runner())
    before, after = data.splits["train"], more.splits["train"]
    assert (len(before), len(after)) == (24, 48)
    kept = after.gather(np.searchsorted(after.rows, before.rows)).targets["label"]
    assert np.array_equal(kept.values, before.gather(np.arange(24)).targets["label"].values)
    assert after.gather(np.arange(48)).targets["label"].present.all()
    guessed = after.gather(places := np.flatnonzero(~np.isin(after.rows, before.rows)))
    cells = flatten(after.gather(places).inputs, data.columns)
    runner = trainer.validator.runner()
    answers = runner.run("answer", runner.run("encode", cells))["label"]
    names = np.array(data.columns["label"].state["values"])
    expected = [data.columns["label"].decode(name) for name in names[answers.argmax(1)]]
    assert guessed.targets["label"].values.tolist() == np.array(expected).tolist()
    assert more.splits["valid"] is data.splits["valid"]
    assert more.splits["test"] is data.splits["test"]
    assert "24 of 24 train rows without label get one" in capsys.readouterr().err

    nothing = configfile.parse(sparse(table, tmp_path, threshold=0.999))
    assert len(label(nothing, data, data, trainer.validator.runner()).splits["train"]) == 24


def test_rows_without_a_class_are_left_out_of_valid_and_test(table, tmp_path):
    made = sparse(table, tmp_path)
    made["data"]["table"] = str(emptied(table, tmp_path, 2, "test"))
    data = prepare(configfile.parse(made), tmp_path / "prepared")
    assert len(data.splits["test"]) == 2
    assert not len(data.unlabelled)


@pytest.mark.slow
def test_a_second_round_that_is_stopped_ends_the_same(table, tmp_path, monkeypatch):
    made = sparse(table, tmp_path, threshold=0.0, epochs=3)
    resuming.assert_resumes(made, tmp_path, monkeypatch, 4, inside="round-2")


@pytest.mark.slow
def test_rows_without_a_class_teach_too(tmp_path):
    """Few rows are enough to know the class by the picture; by it, all rows teach the number."""
    many = tiny.make(tmp_path / "many", rows=400)

    def by_the_number(rounds: dict | None) -> float:
        made = sparse(many, tmp_path, keep=12, epochs=8, lr=0.01, batch_size=8)
        made["train"]["self_training"] = rounds
        bundle = mmbm.train(made, run=tmp_path / f"run-{bool(rounds)}")
        return bundle.metrics["test"]["subsets"]["table"]["label"]

    assert by_the_number({"threshold": 0.8}) > by_the_number(None) + 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": {"amount": {"kind": "number"}}}, "no target is one"),
        ({"data": {"split": {"folds": 3}}}, "leave data.split.folds out"),
    ],
)
def test_what_can_not_be_labelled_is_said(change, message, table, tmp_path):
    made = sparse(table, tmp_path)
    made["targets"] = change.get("targets", made["targets"])
    made["data"].update(change.get("data", {}))
    with pytest.raises(ConfigError, match=message):
        configfile.parse(made)
