"""The head of a number: losses in standard deviations, answers in the user's own unit."""

from types import SimpleNamespace

import pytest
import torch

from mmbm.kinds.number.head import NumberHead
from mmbm.kinds.number.spec import NumberTarget
from mmbm.layers.batch import Field


def field(values, present=None):
    values = torch.as_tensor(values)
    if present is None:
        present = [True] * len(values)
    return Field(values, torch.ones(len(values), dtype=torch.int64), torch.tensor(present))


def number(**options):
    column = SimpleNamespace(state={"mean": 50.0, "std": 10.0})
    return NumberHead(NumberTarget(**options), column, 4)  # type: ignore[arg-type]


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
