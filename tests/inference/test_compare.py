"""A gain over the prior or over one modality is told from chance."""

import numpy as np
import pytest

from mmbm.inference.compare import beats_prior, gain, prior_report
from mmbm.inference.evaluate import compared, warnings
from mmbm.kinds.category.answer import CategoryAnswer
from mmbm.kinds.category.spec import CategoryTarget
from mmbm.kinds.labels.answer import LabelsAnswer
from mmbm.kinds.labels.spec import LabelsTarget
from mmbm.kinds.number.answer import NumberAnswer
from mmbm.kinds.number.spec import NumberTarget


class Column:
    def __init__(self, **state):
        self.state = state


def fused(gain, **targets):
    one = {"score": 0.85, "gain": gain, "beats_prior": True}
    prior = {"answer": "red", "score": 0.3, "gain": [0.1, 0.9], "loss_gain": [0.1, 0.9]}
    return {
        "rows": 50,
        "targets": {"label": {"accuracy": 0.8, "rows": 50}, "amount": {}, "tags": {}},
        "subsets": {"photo": {"label": 0.85}},
        "compared": {"label": {"prior": prior, "alone": {"photo": one}}},
    }


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        (
            [-0.09, -0.01],
            "Fusion brings nothing for 'label': all modalities together reach accuracy",
        ),
        ([-0.15, 0.05], "Fusion brings nothing that can be measured for 'label': all modalities"),
    ],
)
def test_a_difference_within_chance_is_said_to_be_that(bundle, interval, sentence):
    (said,) = warnings(fused(interval), bundle.config, bundle.columns)
    assert said.startswith(sentence)
    assert ("within chance" in said) == (interval[1] > 0)


def test_an_interval_of_the_score_stands_for_one_of_the_difference(bundle):
    report = fused([0, 0])
    report |= {"compared": {}, "subsets": {}, "baselines": {"photo": {"label": 0.85}}}
    report["targets"]["label"]["interval"] = [0.7, 0.9]
    (said,) = warnings(report, bundle.config, bundle.columns)
    assert "photo trained alone 0.85, which is within chance" in said


def test_classes_that_are_uneven_hide_nothing_that_probabilities_tell():
    """Always the frequent class is as accurate, and yet the probabilities say something."""
    generator = np.random.default_rng(0)
    truth = (np.arange(400) % 10 == 0).astype(int)
    p = np.clip(0.1 + 0.25 * (truth - 0.1) + 0.05 * generator.normal(size=400), 0.01, 0.49)
    answer = CategoryAnswer(CategoryTarget(), Column(values=["a", "b"], counts=[360, 40]))
    found = prior_report(answer, np.stack([1 - p, p], 1), truth)
    assert found["answer"] == "a"
    assert found["gain"] == [0, 0]
    assert beats_prior(found)
    assert not beats_prior(prior_report(answer, np.tile([0.9, 0.1], (400, 1)), truth))


def test_of_numbers_and_labels_the_prior_is_beaten_by_what_tells_and_by_nothing_else():
    generator = np.random.default_rng(0)
    truth = generator.normal(5, 3, 200)
    number = NumberAnswer(NumberTarget(), Column(mean=5.0))
    assert beats_prior(
        prior_report(number, truth[:, None] + generator.normal(size=(200, 1)), truth)
    )
    assert not beats_prior(prior_report(number, generator.permutation(truth)[:, None], truth))
    better, worse = truth[:, None] + 0.1, truth[:, None] + 1.0
    assert gain(number, better, worse, truth)[0] > 0
    marks = generator.integers(0, 2, (200, 3))
    column = Column(values=list("xyz"), counts=[100, 100, 100], rows=200)
    labels = LabelsAnswer(LabelsTarget(), column)
    assert beats_prior(prior_report(labels, np.where(marks, 0.8, 0.2), marks))
    shuffled = np.where(generator.permutation(marks), 0.8, 0.2)
    assert not beats_prior(prior_report(labels, shuffled, marks))


def test_the_class_that_is_found_least_is_named_only_beyond_chance():
    answer = CategoryAnswer(CategoryTarget(), Column(values=list("abc"), counts=[50, 50, 50]))
    truth = np.repeat([0, 1, 2], 50)
    guess = truth.copy()
    guess[110:140] = 0
    weak = compared(answer, {(): np.eye(3)[guess]}, truth, [])["weakest"]
    assert weak == {"class": "c", "recall": 0.4, "rows": 50}
    guess = np.where(np.arange(150) % 10 == 0, 0, truth)
    assert "weakest" not in compared(answer, {(): np.eye(3)[guess]}, truth, [])
