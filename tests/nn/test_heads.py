"""What a head promises: losses that match torch's, answers in the user's own unit."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from mmbm.config import CategoryTarget, LabelsTarget, NumberTarget
from mmbm.nn.batch import Field
from mmbm.nn.heads.category import CategoryHead
from mmbm.nn.heads.labels import LabelsHead
from mmbm.nn.heads.number import NumberHead


def field(values, present=None):
    values = torch.as_tensor(values)
    if present is None:
        present = [True] * len(values)
    return Field(values, torch.ones(len(values), dtype=torch.int64), torch.tensor(present))


def category(**options):
    column = SimpleNamespace(state={"values": ["a", "b", "c"], "counts": [60, 30, 10]})
    return CategoryHead(CategoryTarget(**options), column, 4)  # type: ignore[arg-type]


def number(**options):
    column = SimpleNamespace(state={"mean": 50.0, "std": 10.0})
    return NumberHead(NumberTarget(**options), column, 4)  # type: ignore[arg-type]


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


@pytest.mark.parametrize(("loss", "expected"), [("mse", 4.0), ("l1", 2.0), ("huber", 1.5)])
def test_the_loss_of_a_number_is_in_standard_deviations(loss, expected):
    goal = field(torch.tensor([70.0], dtype=torch.float64))  # two above the mean
    assert number(loss=loss).loss(torch.zeros(1, 1), goal).item() == pytest.approx(expected)


def test_a_number_is_answered_in_its_own_unit():
    head = number()
    assert head.answer(torch.tensor([[0.0], [1.5]])).flatten().tolist() == [50.0, 65.0]
    assert head.prior.item() == 50.0


def test_the_logarithm_of_a_number_is_undone():
    column = SimpleNamespace(state={"mean": 2.0, "std": 1.0})
    head = NumberHead(NumberTarget(log=True), column, 4)  # type: ignore[arg-type]
    expected = torch.expm1(torch.tensor(3.0)).item()
    assert head.answer(torch.tensor([[1.0]])).item() == pytest.approx(expected)


def test_the_loss_of_labels_is_a_binary_cross_entropy_each():
    column = SimpleNamespace(state={"values": ["x", "y"], "counts": [5, 1], "rows": 10})
    head = LabelsHead(LabelsTarget(), column, 4)  # type: ignore[arg-type]
    logits, goal = torch.randn(2, 2), torch.tensor([[1, 0], [1, 1]], dtype=torch.uint8)
    expected = F.binary_cross_entropy_with_logits(logits, goal.float(), reduction="none").mean(-1)
    loss = head.loss(logits, field(goal, [True, False]))
    assert loss[0] == pytest.approx(expected[0].item())
    assert loss[1] == 0
    assert head.prior.tolist() == pytest.approx([0.5, 0.1])
