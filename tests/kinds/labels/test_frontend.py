"""What labels become."""

import torch
from battery import field
from frontends import make


def test_labels_add_up_in_any_combination():
    front = make("labels")
    rows = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0]], dtype=torch.uint8)
    none, first, third, both = front(field(rows)).x
    assert torch.allclose(both - none, (first - none) + (third - none), atol=1e-6)
