"""The head of labels."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from mmbm.kinds.labels.head import LabelsHead
from mmbm.kinds.labels.spec import LabelsTarget
from mmbm.layers.batch import Field


def field(values, present=None):
    values = torch.as_tensor(values)
    if present is None:
        present = [True] * len(values)
    return Field(values, torch.ones(len(values), dtype=torch.int64), torch.tensor(present))


def test_the_loss_of_labels_is_a_binary_cross_entropy_each():
    column = SimpleNamespace(state={"values": ["x", "y"], "counts": [5, 1], "rows": 10})
    head = LabelsHead(LabelsTarget(), column, 4)  # type: ignore[arg-type]
    logits, goal = torch.randn(2, 2), torch.tensor([[1, 0], [1, 1]], dtype=torch.uint8)
    expected = F.binary_cross_entropy_with_logits(logits, goal.float(), reduction="none").mean(-1)
    loss = head.loss(logits, field(goal, [True, False]))
    assert loss[0] == pytest.approx(expected[0].item())
    assert loss[1] == 0
    assert head.prior.tolist() == pytest.approx([0.5, 0.1])
