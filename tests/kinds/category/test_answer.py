"""Metrics of a category agree with scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics

from mmbm.kinds.category.answer import CategoryAnswer, calibration_error
from mmbm.kinds.category.spec import CategoryTarget


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


def test_a_calibrated_guess_has_little_calibration_error():
    generator = np.random.default_rng(0)
    confidence = generator.random(50_000)
    right = generator.random(50_000) < confidence
    assert calibration_error(confidence, right) < 0.01
    assert calibration_error(np.full(1000, 0.99), np.zeros(1000)) == pytest.approx(0.99)
