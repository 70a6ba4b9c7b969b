"""Every encoder, on every layout it reads, keeps these promises."""

import pytest
import torch
import torch.nn.functional as F
from battery import Flat, answers, exported, gap
from samples import gathered
from torch import nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Features
from mmbm.layers.blocks import valid
from mmbm.registry import find, options
from mmbm.specs.encoders import BagSpec, CNNSpec, ConformerSpec, RNNSpec, TCNSpec, TransformerSpec

FEATURES = {"picture": 3, "frames": 20, "tokens": 12}
TINY = {
    "cnn-picture": CNNSpec(size="tiny"),
    "cnn-frames": CNNSpec(size="tiny"),
    "gru-frames": RNNSpec(size="tiny"),
    "gru-tokens": RNNSpec(size="tiny"),
    "lstm-tokens": RNNSpec(size="tiny", cell="lstm"),
    "transformer-picture": TransformerSpec(size="tiny"),
    "transformer-frames": TransformerSpec(size="tiny"),
    "transformer-tokens": TransformerSpec(size="tiny"),
    "conformer-frames": ConformerSpec(size="tiny"),
    "conformer-tokens": ConformerSpec(size="tiny", kernel=7),
    "tcn-frames": TCNSpec(size="tiny"),
    "tcn-tokens": TCNSpec(size="tiny", kernel=5),
    "bag-tokens": BagSpec(),
    **gathered("ENCODERS"),
}
ELSEWHERE = {"pretrained", "keras"}  # need a model: they have tests of their own
MORE = {  # the largest preset, and every option that changes the graph
    f"{name}-{label}": spec.model_copy(update=change)
    for name, spec in TINY.items()
    for label, change in {
        "base": {"size": "base"},
        "wide": {"width": 40, "layers": 2},
        "odd-patch": {"patch": 5},
        "forward": {"bidirectional": False},
        "every-frame": {"stride": 1},
    }.items()
    if all(key in type(spec).model_fields for key in change)
}


def layout_of(name: str) -> str:
    return name.split("-")[1]


def make(name: str, seed: int = 0) -> nn.Module:
    """An encoder off its start, where residual blocks of the CNN would be the identity."""
    torch.manual_seed(seed)
    spec, layout = (TINY | MORE)[name], layout_of(name)
    encoder = find(spec.module)(spec, layout, FEATURES[layout])
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.uniform_(-0.5, 0.5)
                part.running_mean.uniform_(-0.5, 0.5)
    return encoder.eval()


def example(layout: str, lengths: list[int], size: int | None = None) -> Features:
    """Random features of rows of these lengths, padded with zeros to `size`."""
    if layout == "picture":
        return Features(torch.randn(len(lengths), 3, 28, 28))
    size = size or max(lengths)
    keep = valid(torch.tensor(lengths), size)
    return Features(torch.randn(len(lengths), size, FEATURES[layout]) * keep[..., None], keep)


@pytest.fixture(params=list(TINY))
def name(request) -> str:
    return request.param


@pytest.fixture
def trained(name) -> str:
    if not any(True for _ in make(name).parameters()):
        pytest.skip("has no parameters: the frontend's are all there is to train")
    return name


def test_every_encoder_is_here():
    assert {*options("mmbm.encoders")} == {spec.kind for spec in TINY.values()} | ELSEWHERE


def test_width_is_the_width_of_the_tokens(name):
    encoder = make(name)
    x, keep = encoder(example(layout_of(name), [9, 4]))
    assert x.shape == (*keep.shape, encoder.width)
    assert keep[:, 0].all()


def test_a_row_is_the_same_alone_and_in_any_batch(name):
    encoder, lengths = make(name), [37, 1, 2, 16, 23]
    batch = example(layout_of(name), lengths)
    together = encoder(batch)
    for row, length in enumerate(lengths):
        alone = Features(batch.x[row : row + 1])
        if batch.keep is not None:
            alone = Features(alone.x[:, :length], batch.keep[row : row + 1, :length])
        x, keep = encoder(alone)
        assert keep.all()
        assert together.keep[row].sum() == keep.shape[1]
        assert (together.x[row, : keep.shape[1]] - x[0]).abs().max() < 1e-5


@pytest.mark.parametrize("filler", [0.0, 1e6])
def test_padding_changes_nothing_whatever_it_holds(name, filler):
    if layout_of(name) == "picture":
        pytest.skip("a picture has no padding")
    encoder, lengths = make(name), [11, 3]
    batch = example(layout_of(name), lengths)
    further = F.pad(batch.x, (0, 0, 0, 50)).masked_fill(
        ~valid(torch.tensor(lengths), 61)[..., None], filler
    )
    x, keep = encoder(batch)
    y, also = encoder(Features(further, valid(torch.tensor(lengths), 61)))
    assert torch.equal(also.sum(1), keep.sum(1))
    assert (y[:, : x.shape[1]] - x).abs().max() < 1e-5


def test_padding_is_zero(name):
    encoder = make(name)
    for training in (False, True):
        x, keep = encoder.train(training)(example(layout_of(name), [30, 1, 7]))
        assert (x[~keep] == 0).all()


def test_gradients_reach_every_parameter(trained):
    encoder = make(trained).train()
    encoder(example(layout_of(trained), [30, 18, 7])).x.square().sum().backward()
    stuck = [k for k, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert not stuck


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [40, 1]])
def test_answers_are_finite(trained, scale, lengths):
    batch = example(layout_of(trained), lengths)
    for training in (False, True):
        encoder = make(trained).train(training)
        x = encoder(Features(batch.x * scale, batch.keep)).x
        assert x.isfinite().all()
        x.sum().backward()
        assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_trains_in_bfloat16(trained):
    encoder, batch = make(trained).train(), example(layout_of(trained), [30, 7])
    with torch.autocast("cpu", torch.bfloat16):
        x, keep = encoder(batch)
    x.float().square().sum().backward()
    assert (x[~keep] == 0).all()
    assert all(p.dtype == torch.float32 and p.grad.isfinite().all() for p in encoder.parameters())


def test_learns_sixteen_rows(trained):
    """Two classes that differ by one feature (or colour) somewhere in the row."""
    torch.manual_seed(1)
    batch = example(layout_of(trained), [24] * 8 + [13] * 8)
    target = torch.arange(16) % 2
    x = batch.x.clone()
    if batch.keep is None:
        x[target == 1, 0, 5:12, 5:12] += 2
    else:
        x[target == 1, 4:9, 0] += 4
    torch.manual_seed(2)
    spec, layout = TINY[trained], layout_of(trained)
    encoder = find(spec.module)(spec, layout, FEATURES[layout])
    head = nn.Linear(encoder.width, 2)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(60):
        tokens, keep = encoder(Features(x, batch.keep))
        logits = head(tokens.sum(1) / keep.sum(1, keepdim=True))
        loss = F.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def check_graph(name: str, path) -> None:
    """The graph answers as torch does, at sizes the exporter never saw."""
    encoder, layout = make(name), layout_of(name)
    encoder_only = Flat(None, encoder)

    def tensors(*lengths: int) -> dict[str, torch.Tensor]:
        return {"values": example(layout, [*lengths]).x, "lengths": torch.tensor(lengths)}

    ragged = {} if layout == "picture" else {"values": "length"}
    run = exported(encoder_only, tensors(37, 7), ragged, path / "encoder.onnx")
    for lengths in ([1], [6], [1] * 5, [9, 1, 4], [300, 2, 151], [1000]):
        batch = tensors(*lengths)
        assert gap(run(**batch), answers(encoder_only, **batch)) <= 1e-5, lengths


def test_onnx_answers_as_torch_at_any_batch_and_length(name, tmp_path):
    check_graph(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("other", list(MORE))
def test_onnx_answers_as_torch_at_every_preset(other, tmp_path):
    check_graph(other, tmp_path)


def test_a_bag_has_no_order():
    encoder, batch = make("bag-tokens"), example("tokens", [4])
    backwards = Features(batch.x.flip(1), batch.keep)
    assert torch.equal(encoder(backwards).x.flip(1), encoder(batch).x)


@pytest.mark.parametrize("side", [(1, 1), (5, 28), (8, 8), (33, 47)])
@pytest.mark.parametrize("name", ["cnn-picture", "transformer-picture"], indirect=True)
def test_a_picture_may_have_any_size(name, side):
    x, keep = make(name)(Features(torch.randn(2, 3, *side)))
    assert x.shape[1] >= 1
    assert keep.all()
    assert x.isfinite().all()


def test_a_last_batch_of_one_tiny_picture_can_be_trained_on():
    x = make("cnn-picture").train()(Features(torch.randn(1, 3, 4, 4))).x
    assert x.isfinite().all()


@pytest.mark.parametrize(
    ("kind", "layout", "instead"),
    [
        ("cnn", "tokens", "rnn"),
        ("rnn", "picture", "cnn"),
        ("cnn", "vector", "rnn"),
        ("bag", "picture", "cnn"),
        ("conformer", "picture", "cnn"),
    ],
)
def test_a_layout_that_an_encoder_cannot_read_is_an_error_that_names_another(kind, layout, instead):
    specs = {"cnn": CNNSpec, "rnn": RNNSpec, "bag": BagSpec, "conformer": ConformerSpec}
    spec = specs[kind]()
    with pytest.raises(ConfigError, match=instead):
        find(spec.module)(spec, layout, 8)


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(ConfigError, match="130 can't be divided among 4"):
        find(TransformerSpec.module)(TransformerSpec(width=130, heads=4), "tokens", 8)


@pytest.mark.parametrize(
    ("change", "message"), [({"width": 60, "heads": 4}, "even number"), ({"heads": 5}, "divided")]
)
def test_a_width_that_rotary_heads_cannot_share_is_an_error(change, message):
    with pytest.raises(ConfigError, match=message):
        find(ConformerSpec.module)(ConformerSpec(**change), "tokens", 8)


def test_a_conformer_hears_how_far_tokens_are_from_each_other_not_where_they_stand():
    """The same tokens further on, behind others that are hidden from them."""
    encoder = make("conformer-tokens")
    batch = example("tokens", [12])
    later = F.pad(batch.x, (0, 0, 40, 0))
    keep = torch.arange(52)[None] >= 40
    assert (encoder(Features(later, keep)).x[:, 40:] - encoder(batch).x).abs().max() < 1e-4
