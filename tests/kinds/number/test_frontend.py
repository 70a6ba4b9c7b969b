"""Numbers become features that are finite and tell them apart."""

import pytest
import torch
from battery import column, field
from frontends import make

from mmbm.kinds.number.column import NumberColumn
from mmbm.kinds.number.frontend import NumberFrontend
from mmbm.kinds.number.spec import NumberSpec


@pytest.mark.parametrize("value", [0.0, -1e308, 1e308, 5e-324, 1e19])
def test_a_number_far_outside_training_is_finite(value):
    x = make("number")(field(torch.tensor([value], dtype=torch.float64))).x
    assert x.isfinite().all()


def test_numbers_that_float32_cannot_tell_apart_are_told_apart():
    """Seconds since 1970: float32 has steps of 128 s there."""
    start = 1_700_000_000.0
    state = NumberColumn(NumberSpec()).fit([start + i for i in range(100)])
    front = NumberFrontend(NumberSpec(), column(state)).eval()
    seen = []
    front.mix.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    front(field(torch.tensor([start + 10, start + 11], dtype=torch.float64)))
    standardised = seen[0][:, 0].double() * state["std"] + state["mean"] - start
    assert standardised.tolist() == pytest.approx([10, 11], abs=1e-4)


def test_a_column_of_one_constant_is_finite():
    state = NumberColumn(NumberSpec()).fit([4.0] * 10)
    front = NumberFrontend(NumberSpec(), column(state)).eval()
    assert front(field(torch.tensor([4.0, 5.0, 0.0], dtype=torch.float64))).x.isfinite().all()


def test_bins_fill_one_after_the_other():
    front = make("number")
    seen = []
    front.mix.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    front(field(torch.tensor([-10.0, 60.0, 500.0], dtype=torch.float64)))
    assert seen[0][:, 1:].tolist() == [[0, 0, 0, 0], [1, 1, pytest.approx(0.4), 0], [1, 1, 1, 1]]
