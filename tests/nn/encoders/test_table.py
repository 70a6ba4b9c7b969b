"""The encoder of a group of columns: an absent one hides its value and no other."""

import torch
from battery import answers, exported, gap
from torch import nn

from mmbm.layers.batch import Features
from mmbm.nn.encoders.table import Table


class FlatTable(nn.Module):
    def __init__(self, table: Table):
        super().__init__()
        self.table = table

    def forward(self, speed, speed_present, color, color_present):
        columns = {"speed": Features(speed), "color.2": Features(color)}
        return tuple(self.table(columns, {"speed": speed_present, "color.2": color_present}))


def table_example(rows: int) -> dict[str, torch.Tensor]:
    return {
        "speed": torch.randn(rows, 6),
        "speed_present": torch.rand(rows) < 0.7,
        "color": torch.randn(rows, 3),
        "color_present": torch.rand(rows) < 0.7,
    }


def table() -> FlatTable:
    torch.manual_seed(0)
    return FlatTable(Table({"speed": 6, "color.2": 3})).eval()


def test_an_absent_column_hides_its_value_and_no_other():
    module, batch = table(), table_example(4)
    batch["speed_present"] = torch.tensor([True, False, True, True])
    batch["color_present"] = torch.ones(4, dtype=torch.bool)
    changed = batch | {"speed": batch["speed"] + 1}
    left, right = module(*batch.values())[0], module(*changed.values())[0]
    assert torch.equal(left[1], right[1])
    assert all((left[row] != right[row]).any() for row in (0, 2, 3))


def test_an_absent_column_is_not_a_column_of_zeros():
    module, batch = table(), table_example(1)
    batch |= {"speed": torch.zeros(1, 6), "color_present": torch.tensor([True])}
    here = module(*(batch | {"speed_present": torch.tensor([True])}).values())[0]
    gone = module(*(batch | {"speed_present": torch.tensor([False])}).values())[0]
    assert (here - gone).abs().max() > 1e-3


def test_table_gradients_reach_every_parameter():
    module = table().train()
    module(*table_example(32).values())[0].square()[..., :7].sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in module.parameters())


def test_table_onnx_answers_as_torch(tmp_path):
    module = table()
    run = exported(module, table_example(3), {}, tmp_path / "table.onnx")
    for rows in (1, 3, 17):
        batch = table_example(rows)
        assert gap(run(**batch), answers(module, **batch)) <= 1e-5
