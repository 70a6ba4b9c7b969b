"""Intervals of a score."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from mmbm.kinds import answer as kinds
from mmbm.kinds.category.answer import CategoryAnswer
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


def test_the_interval_holds_the_score_and_narrows_with_rows(category):
    answer, output, truth = category
    low, high = kinds.intervals(answer, output, truth)["interval"]
    assert low < answer.main_score(output, truth) < high
    few_low, few_high = kinds.intervals(answer, output[:50], truth[:50])["interval"]
    assert high - low < few_high - few_low


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
