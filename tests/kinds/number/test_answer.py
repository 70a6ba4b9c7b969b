"""Metrics of a number agree with scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics

from mmbm.kinds.number.answer import NumberAnswer
from mmbm.kinds.number.spec import NumberTarget


def column(values):
    return SimpleNamespace(state={"values": values})


def test_number_metrics_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    truth = generator.normal(5, 3, 300)
    guess = truth + generator.normal(size=300)
    scores = NumberAnswer(NumberTarget(), column([])).score(guess[:, None], truth)
    assert scores["mae"] == pytest.approx(metrics.mean_absolute_error(truth, guess))
    assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, guess))
    assert scores["r2"] == pytest.approx(metrics.r2_score(truth, guess))
