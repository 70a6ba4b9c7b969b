"""Recurrence, normalizing and pooling see the kept positions alone."""

import pytest
import torch
from torch import nn

from mmbm.layers.batch import Features
from mmbm.layers.blocks import MaskedBatchNorm, Pool, Recurrence, valid

FEATURES = {"picture": 3, "frames": 20, "tokens": 12}


def example(layout: str, lengths: list[int], size: int | None = None) -> Features:
    """Random features of rows of these lengths, padded with zeros to `size`."""
    if layout == "picture":
        return Features(torch.randn(len(lengths), 3, 28, 28))
    size = size or max(lengths)
    keep = valid(torch.tensor(lengths), size)
    return Features(torch.randn(len(lengths), size, FEATURES[layout]) * keep[..., None], keep)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("both", [True, False])
def test_a_recurrence_is_torchs_own_of_every_row_alone(cell, both):
    torch.manual_seed(0)
    ours = Recurrence(cell, 5, 7, both)
    theirs = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](5, 7, batch_first=True, bidirectional=both)
    weights = dict(ours.directions[0].named_parameters())
    if both:
        weights |= {f"{k}_reverse": p for k, p in ours.directions[1].named_parameters()}
    theirs.load_state_dict(weights)
    lengths = [9, 1, 4]
    batch = example("tokens", lengths).x[..., :5]
    out = ours(batch, valid(torch.tensor(lengths), 9))
    for row, length in enumerate(lengths):
        assert torch.allclose(out[row, :length], theirs(batch[row, :length])[0], atol=1e-6)


def test_masked_batch_norm_is_batch_norm_of_the_rows_put_end_to_end():
    torch.manual_seed(0)
    ours, theirs = MaskedBatchNorm(4), nn.BatchNorm2d(4)
    lengths = [6, 1, 3]
    keep = valid(torch.tensor(lengths), 6)
    x = torch.randn(3, 4, 6, 5) * 3 + 1
    flat = torch.cat([x[row, :, :n] for row, n in enumerate(lengths)], 1)[None]  # [1, C, 10, F]
    for _ in range(3):
        out, expected = ours(x, keep), theirs(flat)
    valid_out = torch.cat([out[row, :, :n] for row, n in enumerate(lengths)], 1)[None]
    assert torch.allclose(valid_out, expected, atol=1e-5)
    assert torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-6)
    assert torch.allclose(ours.running_var, theirs.running_var, atol=1e-5)


def test_masked_normalizing_is_that_of_the_kept_positions_alone_forward_and_back():
    torch.manual_seed(0)
    norm = MaskedBatchNorm(5)
    with torch.no_grad():
        norm.weight.uniform_()
        norm.bias.uniform_()
    x = (torch.randn(3, 5, 7, 4) * 3 + 2).requires_grad_()
    keep = torch.arange(7) < torch.tensor([7, 4, 2])[:, None]
    upstream = torch.randn(3, 5, 7, 4)

    def kept(tensor):  # [B, C, T, F] -> [positions, C]
        return tensor.movedim(1, -1)[keep].flatten(0, 1)

    norm(x, keep).backward(upstream)
    found = x.grad, norm.weight.grad, norm.bias.grad
    x.grad, norm.weight.grad, norm.bias.grad = None, None, None
    alone = torch.nn.functional.batch_norm(
        kept(x)[..., None], None, None, norm.weight, norm.bias, training=True, eps=norm.eps
    )
    alone.backward(kept(upstream)[..., None])
    assert torch.allclose(kept(norm(x, keep)), alone[..., 0], atol=1e-5)
    for ours, theirs in zip(found, (x.grad, norm.weight.grad, norm.bias.grad)):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_a_pool_sees_the_mean_and_the_highest_of_the_kept_tokens_only():
    pool = Pool(2)
    seen = []
    pool.mix.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    x = torch.tensor([[[1.0, -3.0], [3.0, -5.0], [99.0, 99.0]]])
    pool(x, torch.tensor([[True, True, False]]))
    assert seen[0].tolist() == [[2.0, -4.0, 3.0, -3.0]]
