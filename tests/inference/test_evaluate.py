"""Intervals hold, subsets cost one run of `answer` each, and what is left out is said."""

import numpy as np
import pytest

from mmbm.errors import MmbmError
from mmbm.inference import evaluate as evaluating
from mmbm.inference.evaluate import warnings
from mmbm.inference.predict import measured, predict
from mmbm.inference.runners.torch import TorchRunner
from mmbm.nn.model import Model


def test_a_subset_answers_as_if_the_rest_were_absent(bundle, table):
    report = bundle.evaluate(table, "test")
    assert set(report["subsets"]) >= {"photo", "speech", "remark", "table", "photo+speech"}
    without = list(predict(bundle, str(table), drop_input=["speech", "remark", "speed", "place"]))
    import csv

    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = [a["label"] == r["label"] for a, r in zip(without, rows) if r["split"] == "test"]
    assert report["subsets"]["photo"]["label"] == pytest.approx(np.mean(right))


def test_evaluating_the_table_again_gives_what_training_wrote(bundle, table):
    again = bundle.evaluate(table, "test")
    assert again == bundle.metrics["test"]


def test_fusion_that_brings_nothing_is_said_in_plain_words(bundle):
    report = {
        "targets": {"label": {"accuracy": 0.8}, "amount": {"rmse": 1.0}, "tags": {"micro_f1": 0.9}},
        "subsets": {"photo": {"label": 0.85, "amount": 2.0, "tags": 0.1}},
        "baselines": {"speech": {"label": 0.2, "amount": 0.5, "tags": 0.1}},
    }
    said = warnings(report, bundle.config, bundle.columns)
    assert len(said) == 2
    assert "Fusion brings nothing for 'label'" in said[0]
    assert "photo alone 0.85" in said[0]
    assert "speech trained alone 0.5" in said[1]


def test_an_unknown_split_is_refused(bundle, table):
    with pytest.raises(MmbmError, match="no split 'foo': it is train, valid, test or all"):
        bundle.evaluate(table, split="foo")


def test_rows_left_out_of_an_evaluation_are_said(bundle, table, capsys):
    lines = table.read_text(encoding="utf-8").splitlines()
    broken = table.with_name("broken.csv")
    lines = [line.replace("media/7.png", "media/gone.png") for line in lines]
    broken.write_text("\n".join(lines), encoding="utf-8")
    assert bundle.evaluate(broken)["rows"] == 11
    assert "1 cells in 1 rows can't be decoded and these rows are left" in capsys.readouterr().err
    bundle.evaluate(broken, split="valid")  # the row is in another split
    assert capsys.readouterr().err == ""


def test_of_most_subsets_of_modalities_one_decision_a_row_is_kept(bundle, table, monkeypatch):
    kept, collect = {}, evaluating.collect
    monkeypatch.setattr(
        evaluating, "collect", lambda *a, **k: kept.update(collect(*a, **k)) or kept
    )
    assert bundle.evaluate(table) == bundle.metrics["test"]
    shapes = {len(subset): named["label"].ndim for subset, named in kept.items()}
    assert shapes == {1: 2, 2: 1, 3: 2, 4: 2}  # alone, pairs, all but one, all


class Counting(TorchRunner):
    answered = 0

    def run(self, graph, arrays):
        self.answered += graph == "answer"
        return super().run(graph, arrays)


def test_an_interval_in_training_needs_the_whole_model_only(bundle, table, monkeypatch):
    fused, fuse = [], Model.fuse
    monkeypatch.setattr(Model, "fuse", lambda *a: fused.append(1) or fuse(*a))
    model = Model(bundle.config, bundle.columns)  # as a network in training: no mix is chosen yet
    with measured(bundle, table, "test") as data:
        rows = data.splits["test"]
        batches = sum(1 for _ in rows.in_order(evaluating.rows_at_once(rows)))
        runner = Counting(model)
        quick = evaluating.evaluate(
            runner, rows, bundle.config, bundle.columns, full=False, intervals=True
        )
        assert runner.answered == len(fused) == batches
        full = evaluating.evaluate(runner, rows, bundle.config, bundle.columns)
    assert quick["targets"] == full["targets"]
    assert "interval" in quick["targets"]["label"]
