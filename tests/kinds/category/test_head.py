"""The head of a category: losses that match torch's."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from mmbm.kinds.category.head import CategoryHead
from mmbm.kinds.category.spec import CategoryTarget
from mmbm.layers.batch import Field


def field(values, present=None):
    values = torch.as_tensor(values)
    if present is None:
        present = [True] * len(values)
    return Field(values, torch.ones(len(values), dtype=torch.int64), torch.tensor(present))


def category(**options):
    column = SimpleNamespace(state={"values": ["a", "b", "c"], "counts": [60, 30, 10]})
    return CategoryHead(CategoryTarget(**options), column, 4)  # type: ignore[arg-type]


def test_the_loss_of_a_class_is_softmax_cross_entropy():
    logits = torch.randn(3, 3)
    expected = F.cross_entropy(logits, torch.tensor([0, 1, 2]), reduction="none")
    assert torch.allclose(category().loss(logits, field([1, 2, 3])), expected)


def test_balanced_class_weights_make_rare_classes_count_more():
    logits = torch.zeros(3, 3)
    loss = category(class_weights="balanced").loss(logits, field([1, 2, 3]))
    assert loss[2] / loss[0] == pytest.approx(6.0)
    assert loss[1] / loss[0] == pytest.approx(2.0)


def test_label_smoothing_keeps_a_sure_answer_from_being_free():
    sure = torch.tensor([[20.0, 0.0, 0.0]])
    assert category().loss(sure, field([1])) < 1e-3
    assert category(label_smoothing=0.1).loss(sure, field([1])) > 1.0


@pytest.mark.parametrize("classes", [[0, 0], [1, 0]])
def test_an_unseen_class_or_an_empty_cell_teaches_nothing(classes):
    present = [True, False]
    loss = category().loss(torch.randn(2, 3), field(classes, present))
    assert loss[1] == 0
    assert (loss[0] == 0) == (classes[0] == 0)


def test_the_prior_of_a_class_is_how_often_it_occurs():
    assert category().prior.tolist() == pytest.approx([0.6, 0.3, 0.1])


def test_a_temperature_above_one_makes_answers_less_sure_and_keeps_their_order():
    answer = torch.tensor([[0.7, 0.2, 0.1]])
    softer = CategoryHead.temper(answer, torch.tensor(2.0))
    assert softer[0, 0] < 0.7
    assert softer.argsort().tolist() == answer.argsort().tolist()
    assert torch.allclose(CategoryHead.temper(answer, torch.tensor(1.0)), answer, atol=1e-6)
