"""Every fusion, over one modality or many, keeps these promises."""

import pytest
import torch
import torch.nn.functional as F
from battery import FlatFusion, answers, exported, gap
from torch import nn

from mmbm.errors import ConfigError
from mmbm.layers.batch import Tokens
from mmbm.layers.blocks import valid
from mmbm.registry import find, options

WIDTH = 32
SPECS = {name: spec(width=WIDTH) for name, spec in options("mmbm.fusions").items()}
NAMES = ["photo", "speech.left", "type"]  # also names that a module could not be called


def make(kind: str, names: list[str] = NAMES) -> nn.Module:
    torch.manual_seed(0)
    return find(SPECS[kind].module)(SPECS[kind], names).eval()


def example(names: list[str], *lengths: list[int]) -> dict[str, Tokens]:
    """Random tokens; lengths of the rows of each modality."""
    tokens = {}
    for name, rows in zip(names, lengths, strict=True):
        keep = valid(torch.tensor(rows), max(rows))
        tokens[name] = Tokens(torch.randn(*keep.shape, WIDTH) * keep[..., None], keep)
    return tokens


@pytest.fixture(params=list(SPECS))
def kind(request) -> str:
    return request.param


@pytest.mark.parametrize("count", [1, 2, 8])
def test_works_with_any_number_of_modalities(kind, count):
    names = [f"m{i}" for i in range(count)]
    fused = make(kind, names)(example(names, *[[3, 1]] * count))
    assert fused.pooled.shape == (2, WIDTH)
    assert fused.tokens.x.shape == (2, 3 * count, WIDTH)
    assert 0.1 < fused.pooled.std() < 3  # of the scale that a head expects, however many there are


def test_a_row_is_the_same_alone_and_in_any_batch(kind):
    fusion = make(kind)
    batch = example(NAMES, [5, 1, 3], [1, 40, 2], [1, 1, 1])
    together = fusion(batch)
    for row in range(3):
        alone = fusion(
            {
                name: Tokens(t.x[row : row + 1, :n], t.keep[row : row + 1, :n])
                for name, t in batch.items()
                for n in [int(t.keep[row].sum())]
            }
        )
        assert (together.pooled[row] - alone.pooled[0]).abs().max() < 1e-5
        kept = together.tokens.x[row][together.tokens.keep[row]]
        assert alone.tokens.keep.all()
        assert (kept - alone.tokens.x[0]).abs().max() < 1e-5


def test_padding_is_zero(kind):
    x, keep = make(kind)(example(NAMES, [5, 1], [2, 9], [1, 1])).tokens
    assert (x[~keep] == 0).all()


def test_the_order_of_the_dict_does_not_matter(kind):
    fusion, batch = make(kind), example(NAMES, [5, 1], [2, 9], [1, 1])
    backwards = dict(reversed(batch.items()))
    assert torch.equal(fusion(batch).pooled, fusion(backwards).pooled)


def test_every_modality_changes_the_answer(kind):
    fusion, batch = make(kind), example(NAMES, [5, 1], [5, 1], [5, 1])
    before = fusion(batch).pooled
    for name in NAMES:
        changed = batch | example([name], [5, 1])
        assert (fusion(changed).pooled - before).abs().amax(1).min() > 1e-3


def test_gradients_reach_every_parameter(kind):
    fusion = make(kind).train()
    fused = fusion(example(NAMES, [5, 1, 2, 2], [2, 9, 1, 3], [1, 1, 1, 1]))
    weights = torch.randn(WIDTH)
    (fused.pooled * weights).square().sum().backward()
    stuck = [k for k, p in fusion.named_parameters() if p.grad is None or not p.grad.any()]
    assert not stuck


@pytest.mark.parametrize("scale", [0.0, 1e3])
def test_answers_and_gradients_are_finite(kind, scale):
    names = [f"m{i}" for i in range(8)]
    fusion = make(kind, names).train()
    batch = {name: Tokens(t.x * scale, t.keep) for name, t in example(names, *[[3, 1]] * 8).items()}
    pooled = fusion(batch).pooled
    assert pooled.isfinite().all()
    pooled.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in fusion.parameters() if p.grad is not None)


def test_trains_in_bfloat16(kind):
    fusion = make(kind).train()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = fusion(example(NAMES, [5, 1], [2, 9], [1, 1])).pooled
    pooled.float().square().sum().backward()
    assert all(p.dtype == torch.float32 for p in fusion.parameters())


def test_learns_what_only_two_modalities_together_tell(kind):
    """Exclusive or: each modality alone is a coin toss."""
    if kind == "sum":
        pytest.skip("adds what each says, on purpose: see below")
    names = ["left", "right"]
    fusion = make(kind, names).train()
    torch.manual_seed(1)
    batch = example(names, [3] * 32, [2] * 32)
    left, right = torch.arange(32) % 2, torch.arange(32) // 2 % 2
    batch["left"].x[..., 0] += 4 * left[:, None]
    batch["right"].x[..., 0] += 4 * right[:, None]
    head = nn.Linear(WIDTH, 2)
    optimizer = torch.optim.AdamW([*fusion.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(150):
        loss = F.cross_entropy(head(fusion(batch).pooled), left ^ right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right_answers = (head(fusion.eval()(batch).pooled).argmax(1) == left ^ right).sum()
    assert right_answers == 32


def test_a_sum_adds_what_each_modality_says_whatever_the_others_are():
    fusion = make("sum")
    batch, other = (example(NAMES, [5], [2], [1]) for _ in range(2))

    def step(**rest: Tokens) -> torch.Tensor:
        """What a change of the photo changes."""
        before, after = batch | rest, batch | rest | {"photo": other["photo"]}
        return fusion(after).pooled - fusion(before).pooled

    assert torch.allclose(step(), step(type=other["type"]), atol=1e-5)


@pytest.mark.parametrize(
    "names", [NAMES[:2], pytest.param(NAMES[:1], marks=pytest.mark.slow)], ids=["two", "one"]
)
def test_onnx_answers_as_torch_at_any_batch_and_length(kind, names, tmp_path):
    module = FlatFusion(make(kind, names), names)

    def tensors(*lengths: list[int]) -> dict[str, torch.Tensor]:
        tokens = example(names, *lengths[: len(names)])
        return {f"{part}{i}": t for i, n in enumerate(names) for part, t in zip("xk", tokens[n])}

    first = tensors([5, 2], [3, 7])
    run = exported(
        module, first, {name: f"length{name[1:]}" for name in first}, tmp_path / "fusion.onnx"
    )
    for lengths in ([[1], [1]], [[9, 2, 1], [1, 30, 2]], [[300], [5]]):
        batch = tensors(*lengths)
        assert gap(run(**batch), answers(module, **batch)) <= 1e-5


@pytest.mark.parametrize("kind", ["transformer", "bottleneck"], indirect=True)
def test_heads_that_do_not_divide_the_width_are_an_error(kind):
    spec = SPECS[kind].model_copy(update={"heads": 5})
    with pytest.raises(ConfigError, match=f"{kind}: width 32 can't be divided among 5"):
        find(spec.module)(spec, NAMES)
