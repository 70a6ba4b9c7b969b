"""A step in micro-batches has the gradient of the whole batch."""

import numpy as np
import pairs
import pytest
import torch
from torch import Tensor

from mmbm.config import TrainSpec
from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.kinds.contrastive.head import ContrastiveHead
from mmbm.layers.batch import Field
from mmbm.nn.model import Model
from mmbm.training.device import Precision
from mmbm.training.objective import Objective, backward, preserve_buffers

LOSSES = ("infonce", "sigmoid")


def whole(head: ContrastiveHead, z: Tensor, keys: Tensor, rows: int | None = None) -> Tensor:
    return torch.stack(list(head.parts(z, keys, head.learned(), rows))).sum()


# ── gradient caching ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return pairs.make(tmp_path_factory.mktemp("pairs"))


def learner(table, cache, loss="infonce", dropout=0.0, encoder=None, category=False):
    """A model in training and a batch of 17 rows, with sounds, texts and pictures."""
    config = pairs.config(table, ("photo", "en", "sound"), batch_size=17)
    encoder = encoder or {"kind": "transformer", "size": "tiny", "dropout": dropout}
    for name, spec in config["inputs"].items():
        spec = {**spec, "augment": {"token_dropout": 0} if name == "en" else {}, "encoder": encoder}
        if name == "sound":
            spec["augment"] = {"freq_mask": 0, "time_mask": 0}
        config["inputs"][name] = spec
    config["fusion"] |= {"dropout": dropout, "modality_dropout": dropout}
    config["targets"]["alike"]["loss"] = loss
    if category:
        config["targets"]["shape"] = {"kind": "category", "weight": 0.5}
    parsed = configfile.parse(config)
    data = prepare(parsed, cache)
    torch.manual_seed(0)
    model = Model(parsed, data.columns).train()
    batch = data.splits["train"].gather(np.arange(17))
    if category:
        batch.targets["shape"].present[:5] = False  # a chunk weighs as much as it teaches
    inputs, targets = (
        {name: Field(*map(torch.from_numpy, arrays)) for name, arrays in each.items()}
        for each in (batch.inputs, batch.targets)
    )
    return model, inputs, targets


def gradients(model: Model) -> dict[str, Tensor]:
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return {name: gradient.clone() for name, gradient in found.items()}


PRECISION = Precision(TrainSpec(precision="float32"), torch.device("cpu"))


def step(model, inputs, targets, rows):
    """rows: of a micro-batch, or None."""
    parts = -(-17 // rows) if rows else 1
    loss = backward(Objective(model), PRECISION, inputs, targets, parts)
    return loss.item(), gradients(model)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("category", [False, True])
@pytest.mark.parametrize("chunk", [4, 16])
def test_a_step_in_chunks_has_the_gradient_of_the_whole_batch(
    table, tmp_path, loss, category, chunk
):
    model, inputs, targets = learner(table, tmp_path, loss, category=category)
    value, expected = step(model, inputs, targets, None)
    chunked, ours = step(model, inputs, targets, chunk)
    assert chunked == pytest.approx(value, rel=1e-5)
    assert ours.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-5)


def test_random_numbers_are_played_again(table, tmp_path):
    """With dropout a chunk draws the same twice: the gradient is that of its own forward pass."""
    model, inputs, targets = learner(table, tmp_path, dropout=0.3)
    torch.manual_seed(5)
    value, ours = step(model, inputs, targets, 4)
    after = torch.get_rng_state()

    torch.manual_seed(5)
    rows = [slice(at[0], at[-1] + 1) for at in np.array_split(range(17), 5)]
    part = [{n: Field(*(t[r] for t in f)) for n, f in inputs.items()} for r in rows]
    z = torch.cat([model.embed(one)["alike"] for one in part])  # all graphs kept
    loss = whole(model.contrastive()["alike"], z, targets["alike"].values)
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-5)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-5)
    assert torch.equal(after, torch.get_rng_state())


def test_running_statistics_are_counted_once(table, tmp_path):
    cnn = {"kind": "cnn", "size": "tiny"}
    config = pairs.config(table, ("photo", "sound"))
    config["inputs"]["photo"]["encoder"] = cnn
    parsed = configfile.parse(config)
    data = prepare(parsed, tmp_path)
    model = Model(parsed, data.columns).train()
    batch = data.splits["train"].gather(np.arange(16))
    inputs = {name: Field(*map(torch.from_numpy, a)) for name, a in batch.inputs.items()}
    targets = {name: Field(*map(torch.from_numpy, a)) for name, a in batch.targets.items()}
    with torch.no_grad(), preserve_buffers(model):
        model.embed(inputs)
    counts = [b for name, b in model.named_buffers() if name.endswith("num_batches_tracked")]
    assert {int(count) for count in counts} == {0}
    step(model, inputs, targets, 9)
    assert {int(count) for count in counts} == {2}  # chunks, not four passes


def test_a_chunk_without_a_contrastive_target_is_the_gradient_of_the_batch_too(table, tmp_path):
    model, inputs, targets = learner(table, tmp_path, category=True)
    del model.targets._modules[model.targets.names.pop("alike")]
    targets.pop("alike")
    _, expected = step(model, inputs, targets, None)
    _, ours = step(model, inputs, targets, 4)
    for name, gradient in expected.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-6)
