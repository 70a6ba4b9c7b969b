"""Metrics agree with scikit-learn, intervals hold, subsets cost one run of `answer` each."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics

from mmbm.errors import MmbmError
from mmbm.inference import evaluate as evaluating
from mmbm.inference.attributions import all_subsets, reported_subsets
from mmbm.inference.evaluate import warnings
from mmbm.inference.predict import measured, predict
from mmbm.inference.runners.torch import TorchRunner
from mmbm.kinds import answer as kinds
from mmbm.kinds.category.answer import CategoryAnswer, calibration_error
from mmbm.kinds.category.spec import CategoryTarget
from mmbm.kinds.labels.answer import LabelsAnswer
from mmbm.kinds.labels.spec import LabelsTarget
from mmbm.kinds.number.answer import NumberAnswer
from mmbm.kinds.number.spec import NumberTarget
from mmbm.nn.model import Model


def column(values):
    return SimpleNamespace(state={"values": values})


@pytest.fixture
def category():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 500)
    output = generator.dirichlet([1] * 4, 500) + 0.8 * np.eye(4)[truth] * generator.random((500, 1))
    output = (output / output.sum(-1, keepdims=True)).astype(np.float32)
    return CategoryAnswer(CategoryTarget(), column(list("abcd"))), output, truth


def test_category_metrics_agree_with_scikit_learn(category):
    answer, output, truth = category
    scores, guess = answer.score(output, truth), output.argmax(-1)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(truth, guess))
    assert scores["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(truth, guess)
    )
    assert scores["macro_f1"] == pytest.approx(metrics.f1_score(truth, guess, average="macro"))
    assert scores["auroc"] == pytest.approx(
        metrics.roc_auc_score(truth, output, multi_class="ovr"), abs=1e-6
    )
    assert scores["log_loss"] == pytest.approx(metrics.log_loss(truth, output), abs=1e-5)


def test_a_class_training_has_never_seen_counts_as_wrong(category):
    answer, output, truth = category
    unseen = np.where(np.arange(500) < 50, -1, truth)
    scores = answer.score(output, unseen)
    assert scores["rows_of_unseen_classes"] == 50
    assert scores["accuracy"] == pytest.approx((output.argmax(-1) == truth)[50:].sum() / 500)


def test_the_interval_holds_the_score_and_narrows_with_rows(category):
    answer, output, truth = category
    low, high = kinds.intervals(answer, output, truth)["interval"]
    assert low < answer.main_score(output, truth) < high
    few_low, few_high = kinds.intervals(answer, output[:50], truth[:50])["interval"]
    assert high - low < few_high - few_low


def test_a_calibrated_guess_has_little_calibration_error():
    generator = np.random.default_rng(0)
    confidence = generator.random(50_000)
    right = generator.random(50_000) < confidence
    assert calibration_error(confidence, right) < 0.01
    assert calibration_error(np.full(1000, 0.99), np.zeros(1000)) == pytest.approx(0.99)


def test_number_metrics_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    truth = generator.normal(5, 3, 300)
    guess = truth + generator.normal(size=300)
    scores = NumberAnswer(NumberTarget(), column([])).score(guess[:, None], truth)
    assert scores["mae"] == pytest.approx(metrics.mean_absolute_error(truth, guess))
    assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, guess))
    assert scores["r2"] == pytest.approx(metrics.r2_score(truth, guess))


def test_label_metrics_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, (200, 3))
    output = np.clip(0.6 * truth + 0.4 * generator.random((200, 3)), 0, 1)
    output = np.where(generator.random((200, 3)) < 0.2, 1 - output, output)
    scores = LabelsAnswer(LabelsTarget(), column(list("xyz"))).score(output, truth)
    said = output >= 0.5
    assert scores["micro_f1"] == pytest.approx(metrics.f1_score(truth, said, average="micro"))
    assert scores["macro_f1"] == pytest.approx(metrics.f1_score(truth, said, average="macro"))
    per_label = metrics.f1_score(truth, said, average=None)
    assert list(scores["f1"].values()) == pytest.approx(list(per_label))


def test_every_subset_up_to_eight_modalities():
    assert all_subsets(["a", "b"]) == [("a",), ("b",), ("a", "b")]
    assert len(reported_subsets([str(i) for i in range(8)])) == 255
    many = [str(i) for i in range(9)]
    assert len(reported_subsets(many)) == 19
    assert reported_subsets(many)[-1] == tuple(many)


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


# ── memory and time of many rows and modalities ──────────────────────────────────────────────────


def test_an_interval_has_one_sample_of_the_rows_in_memory(category, monkeypatch):
    answer, output, truth = category
    draws = np.random.default_rng(0).integers(0, len(truth), (kinds.DRAWS, len(truth)))
    scores = [answer.main_score(output[rows], truth[rows]) for rows in draws]
    expected = np.quantile(scores, [0.025, 0.975])
    assert kinds.intervals(answer, output, truth)["interval"] == pytest.approx(expected)

    many, truths = np.tile(output, (400, 1)), np.tile(truth, 400)  # 200,000 rows
    monkeypatch.setattr(kinds, "DRAWS", 50)  # together 80 MB
    tracemalloc.start()
    kinds.intervals(answer, many, truths)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_what_decides_is_measured_as_the_output_itself(category):
    answer, output, truth = category
    assert answer.decided(output).shape == (500,)
    labels = LabelsAnswer(LabelsTarget(threshold=0.3), column(["a", "b", "c", "d"]))
    hot = (np.random.default_rng(1).random((500, 4)) > 0.5).astype(np.int64)
    for one, right in ((answer, truth), (labels, hot)):
        small = one.decided(output)
        assert small.nbytes < output.nbytes
        assert one.main_score(small, right) == one.main_score(output, right)
        assert (one.decided(small) == small).all()


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
