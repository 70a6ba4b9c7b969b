"""Blended rows: what is blended, by which shares, and what is not."""

import backbones
import pytest
import resuming
import tiny
import torch
from trainers import an_epoch, trainer_of

from mmbm.config import MixupSpec
from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.errors import ConfigError
from mmbm.layers.batch import Field, Tokens
from mmbm.nn.mixup import Mixup, Pairs, cutmix, manifold_mixup, mixup
from mmbm.nn.model import Model

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("tiny"), rows=64)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return backbones.make("vit", tmp_path_factory.mktemp("vit") / "model")


def pictures(*levels: int) -> Field:
    x = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 20, 30, 3)
    rows = len(levels)
    return Field(x.clone(), torch.ones(rows, dtype=torch.int64), torch.ones(rows) > 0)


def test_mixup_is_the_mean_of_two_pictures_by_their_shares():
    pairs = Pairs(torch.tensor([1, 0, 2]), torch.tensor([0.25, 1.0, 0.5]))
    x = mixup(pictures(100, 200, 50), pairs).values
    assert [int(row.unique()) for row in x] == [175, 200, 50]


def test_cutmix_pastes_a_rectangle_and_its_share_is_exact():
    torch.manual_seed(0)
    pairs = Pairs(torch.tensor([1, 0]), torch.tensor([0.7, 1.0]))
    batch, exact = cutmix({"x": pictures(0, 200)}, pairs)
    foreign = (batch["x"].values == 200)[0, :, :, 0]
    assert exact.share[0] == pytest.approx(1 - float(foreign.float().mean()))
    assert exact.share[0] == pytest.approx(0.7, abs=0.05)
    rows, columns = foreign.any(1), foreign.any(0)
    assert foreign.sum() == rows.sum() * columns.sum()  # one rectangle
    assert exact.share[1] == 1
    assert (batch["x"].values[1] == 200).all()


def test_tokens_of_two_texts_are_blended_place_by_place():
    x = torch.tensor([[[1.0], [0.0]], [[3.0], [5.0]]])
    keep = torch.tensor([[True, False], [True, True]])
    pairs = Pairs(torch.tensor([1, 0]), torch.tensor([0.5, 1.0]))
    joined = manifold_mixup(Tokens(x, keep), pairs)
    assert joined.x[:, :, 0].tolist() == [[2.0, 2.5], [3.0, 5.0]]
    assert joined.keep.all()


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "manifold"])
def test_a_row_lacking_what_the_other_has_stays_as_it_is(kind):
    field = pictures(1, 2, 3, 4)
    field = field._replace(present=torch.tensor([True, False, True, False]))
    for seed in range(5):
        torch.manual_seed(seed)
        pairs = Mixup(MixupSpec(kind=kind, alpha=1.0)).draw({"x": field})
        unlike = field.present != field.present[pairs.other]
        assert (pairs.share[unlike] == 1).all()


def blended(table, kind: str, **train) -> dict:
    made = tiny.config(table, mixup={"kind": kind, "alpha": 1.0}, **train)
    if kind != "manifold":
        made["inputs"] = {"photo": made["inputs"]["photo"]}
    made["targets"] = {
        "label": {"kind": "category"}, "amount": {"kind": "number"}, "tags": {"kind": "labels"},
    }  # fmt: skip
    return made


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "manifold"])
def test_a_blended_loss_is_that_of_both_answers_by_their_shares(kind, table, tmp_path, monkeypatch):
    trainer = trainer_of(blended(table, kind), tmp_path)
    model = trainer.model.eval()
    batch = next(iter(trainer.batches(0)))
    inputs, targets = trainer.move(batch.inputs), trainer.move(batch.targets)
    rows = len(batch.rows)

    def loss(order: torch.Tensor, share: float) -> float:
        pairs = Pairs(order, torch.full((rows,), share))
        monkeypatch.setattr(model.mixup, "draw", lambda batch: pairs)
        return model.loss(inputs, targets).item()

    blending, model.mixup = model.mixup, None
    plain = model.loss(inputs, targets).item()
    model.mixup = blending
    same, turned = torch.arange(rows), torch.arange(rows).roll(1)
    assert loss(turned, 1.0) == pytest.approx(plain, rel=1e-5)
    assert loss(same, 0.3) == pytest.approx(plain, rel=1e-5)
    assert loss(turned, 0.0) == pytest.approx(plain, rel=1e-5)  # each row is another one, whole
    assert loss(turned, 0.5) != pytest.approx(plain, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mixup", "cutmix", "manifold"])
def test_a_blended_run_that_is_stopped_ends_the_same(kind, table, tmp_path, monkeypatch):
    resuming.assert_resumes(blended(table, kind), tmp_path, monkeypatch, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mixup", "cutmix", "manifold"])
def test_blending_keeps_a_model_of_few_rows_from_being_too_sure(kind, tmp_path):
    few = tiny.make(tmp_path / "few", rows=400)
    head, *rows = few.read_text(encoding="utf-8").splitlines()
    rows[64:] = [row.rpartition(",")[0] + ",valid" for row in rows[64:]]
    few.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")

    def log_loss(mixup: dict | None) -> float:
        made = tiny.config(few, epochs=30, mixup=mixup, lr=0.01)
        made["inputs"] = {"photo": made["inputs"]["photo"]}
        trainer = trainer_of(made, tmp_path / str(mixup))
        for epoch in range(30):
            an_epoch(trainer, epoch)
        from mmbm.training.validator import valid_scores

        config = configfile.parse(made)
        data = prepare(config, tmp_path / "prepared")
        return valid_scores(config, data, trainer.model)["targets"]["label"]["log_loss"]

    assert log_loss({"kind": kind, "alpha": 1.0}) < 0.9 * log_loss(None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mixup": "mixup"}, "mixup blends pictures, and 'speech' is none"),
        ({"mixup": "manifold", "micro_batch_size": 4}, "leave train.micro_batch_size out"),
        ({"mixup": {"alpha": 0}}, r"train\.mixup"),
    ],
)
def test_what_can_not_be_blended_is_said(change, message, table):
    made = tiny.config(table)
    made["train"].update(change)
    with pytest.raises(ConfigError, match=message):
        configfile.parse(made)


def test_a_frozen_encoder_reads_blended_pictures_anew_and_that_is_said(
    vit, table, tmp_path, capsys
):
    from mmbm.training.feature_cache import cache_frozen_features

    made = backbones.config(table, vit, "image", {"tune": "frozen"}, mixup="cutmix")
    config = configfile.parse(made)
    data = prepare(config, tmp_path)
    model = Model(config, data.columns)
    assert cache_frozen_features(config, model, data, tmp_path).columns == data.columns
    assert "photo: train.mixup: cutmix changes its cells" in capsys.readouterr().err
