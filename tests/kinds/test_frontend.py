"""Every frontend keeps these promises."""

import pytest
import torch
from battery import Flat, answers, exported, field, gap
from frontends import FRONTENDS, example, make

from mmbm.registry import kinds

TRAINED = [kind for kind in FRONTENDS if any(True for _ in make(kind).parameters())]


@pytest.fixture(params=FRONTENDS)
def kind(request) -> str:
    return request.param


def test_every_frontend_is_here():
    assert {name for name, kind in kinds().items() if kind.frontend} == {*FRONTENDS}


def test_layout_and_features_say_what_comes_out(kind):
    front = make(kind)
    x, keep = front(example(kind, [800, 100]))
    axis = {"picture": 1, "frames": 2, "tokens": 2, "vector": 1}[front.layout]
    assert x.shape[axis] == front.features
    assert (keep is None) == (front.layout in ("picture", "vector"))


def test_a_row_is_the_same_alone_and_in_any_batch(kind):
    front, lengths = make(kind), [900, 1, 2, 160, 401]
    batch = example(kind, lengths)
    together = front(batch)
    for row, length in enumerate(lengths):
        values = batch.values[row : row + 1]
        ragged = together.keep is not None
        alone = front(field(values[:, :length] if ragged else values, [length if ragged else 1]))
        if ragged:
            assert alone.keep.all()
            assert together.keep[row].sum() == alone.keep.shape[1]
        size = alone.x.shape[1]
        assert (together.x[row, :size] - alone.x[0]).abs().max() <= 1e-5
        assert not ragged or (together.x[row, size:] == 0).all()


def test_autocast_leaves_it_in_float32(kind):
    front, batch = make(kind), example(kind, [900, 3])
    with torch.autocast("cpu", torch.bfloat16):
        x, _ = front(batch)
    assert x.dtype == torch.float32
    assert torch.equal(x, front(batch).x)


def test_onnx_answers_as_torch_at_any_batch_and_length(kind, tmp_path):
    module = Flat(make(kind))

    def tensors(lengths: list[int]) -> dict[str, torch.Tensor]:
        cells = example(kind, lengths)
        return {"values": cells.values, "lengths": cells.lengths}

    ragged = {"values": "length"} if FRONTENDS[kind].ragged else {}
    run = exported(module, tensors([700, 300]), ragged, tmp_path / "frontend.onnx")
    sizes = ([1], [900], [1] * 5, [401, 1, 160], [50_000, 2])
    for lengths in sizes:
        batch = tensors(lengths)
        assert gap(run(**batch), answers(module, **batch)) <= FRONTENDS[kind].tolerance


@pytest.mark.parametrize("kind", TRAINED, indirect=True)
def test_gradients_reach_every_parameter(kind):
    front = make(kind).train()
    front(example(kind, [50] * 40)).x.sin()[..., :9].sum().backward()  # not 0 at 0, as a square is
    assert all(p.grad is not None and p.grad.any() for p in front.parameters())
