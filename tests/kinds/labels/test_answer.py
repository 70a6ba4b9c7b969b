"""Metrics of labels agree with scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics

from mmbm.kinds.category.answer import CategoryAnswer
from mmbm.kinds.category.spec import CategoryTarget
from mmbm.kinds.labels.answer import LabelsAnswer
from mmbm.kinds.labels.spec import LabelsTarget


def column(values):
    return SimpleNamespace(state={"values": values})


@pytest.fixture
def category():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 500)
    output = generator.dirichlet([1] * 4, 500) + 0.8 * np.eye(4)[truth] * generator.random((500, 1))
    output = (output / output.sum(-1, keepdims=True)).astype(np.float32)
    return CategoryAnswer(CategoryTarget(), column(list("abcd"))), output, truth


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
