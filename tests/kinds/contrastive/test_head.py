"""The contrastive loss: who is right, and what is absent."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmbm.kinds.contrastive.head import ContrastiveHead
from mmbm.kinds.contrastive.spec import ContrastiveTarget
from mmbm.layers.batch import Context, Tokens
from mmbm.layers.target import Parts

LOSSES = ("infonce", "sigmoid")
WIDTH = 8


def head(loss: str, columns: int = 3) -> ContrastiveHead:
    torch.manual_seed(0)
    spec = ContrastiveTarget(columns=list("abc")[:columns], loss=loss, width=WIDTH)  # type: ignore
    return ContrastiveHead(spec, None, Parts(WIDTH, [], 32, [], {}))


def example(rows: int = 12, columns: int = 3) -> tuple[Tensor, Tensor]:
    """Embeddings and keys: some cells are absent, some duplicates, one row has nothing."""
    torch.manual_seed(1)
    keys = torch.arange(1, rows + 1)[:, None].repeat(1, columns)
    keys[3, 0] = 0
    keys[5, 1] = keys[6, 1]
    keys[8] = keys[2]
    keys[7] = 0
    z = F.normalize(torch.randn(rows, columns, WIDTH), dim=-1) * (keys > 0)[..., None]
    return z, keys


def whole(head: ContrastiveHead, z: Tensor, keys: Tensor, rows: int | None = None) -> Tensor:
    return torch.stack(list(head.parts(z, keys, head.learned(), rows))).sum()


def by_hand(head: ContrastiveHead, z: np.ndarray, keys: np.ndarray) -> float:
    """The definition, pair by pair and row by row."""
    scale = math.exp(head.log_scale.item())
    ways = [(i, j) for i in range(3) for j in range(3) if i != j]
    if head.kind == "sigmoid":
        ways = [(i, j) for i, j in ways if i < j]
    total = 0.0
    for i, j in ways:
        candidates = [b for b in range(len(z)) if keys[b, j]]
        losses, questions = [], 0
        for a in (a for a in range(len(z)) if keys[a, i]):
            right = [b for b in candidates if keys[a, i] == keys[b, i] or keys[a, j] == keys[b, j]]
            questions += bool(right)
            near = {b: scale * float(z[a, i] @ z[b, j]) for b in candidates}
            if head.bias is not None:
                bias = head.bias.item()
                signs = {b: 1 if b in right else -1 for b in candidates}
                losses += [math.log1p(math.exp(-signs[b] * (near[b] + bias))) for b in candidates]
            elif right:
                everything = math.log(sum(math.exp(x) for x in near.values()))
                losses.append(np.mean([everything - near[b] for b in right]))
        total += sum(losses) / questions / len(ways)
    return total


@pytest.mark.parametrize("loss", LOSSES)
def test_it_is_the_loss_of_its_definition_with_duplicates_right_and_absence_left_out(loss):
    one = head(loss)
    z, keys = example()
    assert whole(one, z, keys).item() == pytest.approx(by_hand(one, z.numpy(), keys.numpy()))


@pytest.mark.parametrize("loss", LOSSES)
def test_an_absent_cell_neither_asks_nor_is_found(loss):
    one = head(loss)
    z, keys = example()
    moved = torch.where((keys > 0)[..., None], z, torch.randn_like(z)).requires_grad_()
    value = whole(one, moved, keys)
    assert value.item() == pytest.approx(whole(one, z, keys).item())
    (gradient,) = torch.autograd.grad(value, moved)
    assert gradient[keys == 0].abs().max() == 0
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rows", [1, 5, 12, 100])
def test_the_parts_add_up_to_the_whole(loss, rows):
    one = head(loss)
    z, keys = example()
    z.requires_grad_()
    (ours,) = torch.autograd.grad(whole(one, z, keys, rows), z)
    (theirs,) = torch.autograd.grad(whole(one, z, keys), z)
    torch.testing.assert_close(ours, theirs)


def test_a_batch_in_which_nothing_matches_teaches_nothing():
    one = head("infonce", columns=2)
    z = F.normalize(torch.randn(3, 2, WIDTH), dim=-1).requires_grad_()
    value = whole(one, z, torch.tensor([[1, 0], [2, 0], [3, 0]]))
    value.backward()
    assert value == 0
    assert z.grad is not None
    assert z.grad.abs().max() == 0


def test_the_temperature_is_learned_and_bounded():
    one = head("infonce").train()
    z, keys = example()
    with torch.no_grad():
        one.log_scale.fill_(50.0)
    value = whole(one, z, keys)
    assert one.log_scale.exp().item() == pytest.approx(100)
    value.backward()
    assert one.log_scale.grad is not None
    assert one.log_scale.grad != 0


def test_embeddings_have_length_one_or_are_zero_and_padding_changes_none():
    one = head("infonce").eval()
    x = torch.randn(3, 5, WIDTH)
    keep = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
    there = torch.tensor([True, True, False])
    tokens = {name: Tokens(x * keep[..., None], keep) for name in "abc"}
    z = one(Context(tokens, {"a": there, "b": ~there, "c": there}, None, {}))
    assert z.norm(dim=-1).tolist() == [
        pytest.approx(row) for row in ([1, 0, 1], [1, 0, 1], [0, 1, 0])
    ]
    alone = {name: Tokens(t.x[:1, :3], t.keep[:1, :3]) for name, t in tokens.items()}
    one_row = one(Context(alone, {"a": there[:1], "b": ~there[:1], "c": there[:1]}, None, {}))
    torch.testing.assert_close(one_row, z[:1])
