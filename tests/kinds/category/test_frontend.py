"""What a category becomes in training."""

import torch
from battery import field
from frontends import make


def test_a_value_is_hidden_now_and_then_in_training_so_that_unseen_is_learned():
    torch.manual_seed(0)
    front = make("category")
    batch = field(torch.ones(20_000, dtype=torch.int32))
    unseen = front.embed.weight[0]
    assert not (front(batch).x == unseen).all(1).any()
    hidden = (front.train()(batch).x == unseen).all(1).float().mean()
    assert 0.005 < hidden < 0.015
