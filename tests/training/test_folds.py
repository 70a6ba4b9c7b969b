"""Cross-validation: every row is tested once, and one bundle comes out."""

import numpy as np
import pytest
import tiny

import mmbm
from mmbm.errors import ConfigError
from mmbm.inference.predict import decode_row, encode, raw_answers
from mmbm.inference.restore import restore
from mmbm.inference.runners.torch import TorchRunner


def config(table, **split):
    raw = tiny.config(table, epochs=8, lr=0.02)
    raw["inputs"] = {k: raw["inputs"][k] for k in ("speed", "remark")}
    raw["data"]["split"] = {"folds": 3, "test": 0.2, **split}
    return raw


@pytest.fixture(scope="module")
def ensemble(table, tmp_path_factory):
    raw = config(table, then="ensemble")
    raw["targets"]["amount"] = {"kind": "number"}
    return mmbm.train(raw, run=tmp_path_factory.mktemp("folds") / "run")


def test_mean_and_spread_of_the_folds_are_reported(ensemble):
    scores = ensemble.metrics["folds"]["label"]["accuracy"]
    assert len(scores["values"]) == 3
    assert scores["mean"] == pytest.approx(np.mean(scores["values"]))
    assert scores["spread"] == pytest.approx(np.std(scores["values"], ddof=1))
    assert ensemble.metrics["test"]["rows"] == 19


def test_an_ensemble_answers_with_the_mean_of_its_members(ensemble, table):
    assert ensemble.verify() == 4
    model = restore(ensemble.bundle)
    assert len(model.members) == 3
    rows = [{"speed": 20.0, "remark": "it looks red"}, {"remark": "it looks blue"}]
    decoded = [decode_row(ensemble, row, None) for row in rows]
    encoded = encode(ensemble, decoded)
    assert encoded["table.x"].shape[-1] == 3 * ensemble.config.fusion.width
    members = [
        TorchRunner(member).run(
            "answer",
            {k: np.split(v, 3, -1)[i] if k.endswith(".x") else v for k, v in encoded.items()},
        )["label"]
        for i, member in enumerate(model.members)
    ]
    assert raw_answers(ensemble, rows)["label"] == pytest.approx(np.mean(members, 0), abs=1e-5)


def test_all_folds_together_make_one_model(table, tmp_path):
    bundle = mmbm.train(config(table), run=tmp_path / "run")
    assert bundle.verify() == 4
    assert "valid" not in bundle.metrics, "rows it was trained on say nothing"
    assert bundle.metrics["test"]["targets"]["label"]["accuracy"] > 0.6
    assert not hasattr(restore(bundle.bundle), "members")


def test_folds_and_baselines_exclude_each_other(table, tmp_path):
    with pytest.raises(ConfigError, match="goes with neither"):
        mmbm.train(config(table), run=tmp_path / "run", baselines=True)


def test_without_test_rows_the_card_has_the_scores_of_the_folds(table, tmp_path):
    raw = tiny.config(table, epochs=1)
    raw["data"]["split"] = {"folds": 2, "test": 0.0}
    raw["inputs"] = {"speed": raw["inputs"]["speed"]}
    bundle = mmbm.train(raw, run=tmp_path / "run")
    card = (bundle.path / "README.md").read_text(encoding="utf-8")
    assert "| label | accuracy |" in card.partition("Over the folds")[2]
