"""Training from few rows: each option of it does what its paper says, and resumes bit for bit."""

import backbones
import numpy as np
import pytest
import resuming
import tiny
import torch

import mmbm
from mmbm.config import MixupSpec
from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.errors import ConfigError
from mmbm.inference.runners import flatten
from mmbm.layers.batch import Field, Tokens
from mmbm.nn.mixup import Mixup, Pairs, cutmix, manifold_mixup, mixup
from mmbm.nn.model import Model
from mmbm.training.run_folder import Run
from mmbm.training.state import TrainState

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("tiny"), rows=64)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return backbones.make("vit", tmp_path_factory.mktemp("vit") / "model")


def state_of(made: dict, folder) -> TrainState:
    config = configfile.parse(made)
    data = prepare(config, folder / "prepared")
    torch.manual_seed(0)
    model = Model(config, data.columns)
    return TrainState(config, model, data.columns, data.splits["train"], Run(folder, config))


def rates(state: TrainState) -> dict[str, float]:
    """The learning rate of each weight."""
    names = {weight: name for name, weight in state.model.named_parameters()}
    return {names[w]: g["lr"] for g in state.optimizer.param_groups for w in g["params"]}


def an_epoch(state: TrainState, epoch: int) -> None:
    for batch in state.batches(epoch):
        state.update(batch)


# ── how fast each block learns ───────────────────────────────────────────────────────────────────


def test_each_block_learns_at_a_part_of_the_rate_of_the_one_above(vit, table, tmp_path):
    made = backbones.config(table, vit, "image", {"lr": 0.001, "layer_decay": 0.5})
    state = state_of(made, tmp_path)
    an_epoch(state, 0)
    found = {name.partition("/photo.")[2] or name: lr for name, lr in rates(state).items()}
    own = found["project.weight"]
    scale = 0.001 / state.spec.lr
    for name, depth in (
        ("layernorm.weight", 0), ("layers.2.mlp.fc1.weight", 0), ("layers.1.mlp.fc1.weight", 1),
        ("layers.0.mlp.fc1.weight", 2), ("embeddings.cls_token", 3),
    ):  # fmt: skip
        assert found[f"encoder.body.{name}"] == pytest.approx(own * scale * 0.5**depth), name


def test_blocks_are_unfrozen_one_after_another_from_the_top(vit, table, tmp_path):
    made = backbones.config(table, vit, "image", {"gradual_unfreezing": 1}, epochs=5)
    state = state_of(made, tmp_path)
    seen = []
    for epoch in range(5):
        before = {n: w.clone() for n, w in state.model.named_parameters()}
        an_epoch(state, epoch)
        moved = {n for n, w in state.model.named_parameters() if not torch.equal(w, before[n])}
        seen.append([any(f"body.{part}" in n for n in moved) for part in
                     ("layers.2", "layers.1", "layers.0", "embeddings")])  # fmt: skip
        assert any("project" in name for name in moved)
    assert seen == [[i < epoch for i in range(4)] for epoch in range(5)]


def test_a_frozen_encoder_has_no_rate(vit, table):
    made = backbones.config(table, vit, "image", {"tune": "frozen", "layer_decay": 0.5})
    with pytest.raises(ConfigError, match="layer_decay: nothing of a frozen encoder is trained"):
        configfile.parse(made)


# ── rows blended in pairs ────────────────────────────────────────────────────────────────────────


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
    state = state_of(blended(table, kind), tmp_path)
    model = state.model.eval()
    batch = next(iter(state.batches(0)))
    inputs, targets = state.move(batch.inputs), state.move(batch.targets)
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
        state = state_of(made, tmp_path / str(mixup))
        for epoch in range(30):
            an_epoch(state, epoch)
        from mmbm.training.trainer import valid_scores

        config = configfile.parse(made)
        data = prepare(config, tmp_path / "prepared")
        return valid_scores(config, data, state.model)["targets"]["label"]["log_loss"]

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
    from mmbm.training.feature_cache import precomputed

    made = backbones.config(table, vit, "image", {"tune": "frozen"}, mixup="cutmix")
    config = configfile.parse(made)
    data = prepare(config, tmp_path)
    assert precomputed(config, Model(config, data.columns), data, tmp_path).columns == data.columns
    assert "photo: train.mixup: cutmix changes its cells" in capsys.readouterr().err


# ── self-training ────────────────────────────────────────────────────────────────────────────────


def emptied(path, folder, keep: int, split: str = "train"):
    """The table with its first `keep` labels of this split, and the rest empty."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    place, seen = lines[0].index("label"), 0
    for cells in lines[1:]:
        if cells[-1] == split:
            seen += 1
            cells[place] = cells[place] if seen <= keep else ""
    made = folder / f"{keep}-{split}.csv"
    made.write_text("\n".join(map(",".join, lines)) + "\n")
    return made


def sparse(table, tmp_path, keep: int = 24, threshold: float = 0.6, **train) -> dict:
    made = tiny.config(emptied(table, tmp_path, keep), **train)
    made["data"]["root"] = str(table.parent)
    made["inputs"] = {name: made["inputs"][name] for name in ("photo", "speed")}
    made["train"]["self_training"] = {"threshold": threshold}
    return made


def test_only_train_rows_without_a_class_get_one(table, tmp_path, capsys):
    from mmbm.training.self_training import label

    state = state_of(made := sparse(table, tmp_path, threshold=0.0), tmp_path)
    config = configfile.parse(made)
    data = prepare(config, tmp_path / "prepared")
    assert any("24 train rows have no target" in note for note in data.notes)
    more = label(config, data, data, state.runner())
    before, after = data.splits["train"], more.splits["train"]
    assert (len(before), len(after)) == (24, 48)
    kept = after.gather(np.searchsorted(after.rows, before.rows)).targets["label"]
    assert np.array_equal(kept.values, before.gather(np.arange(24)).targets["label"].values)
    assert after.gather(np.arange(48)).targets["label"].present.all()
    guessed = after.gather(places := np.flatnonzero(~np.isin(after.rows, before.rows)))
    cells = flatten(after.gather(places).inputs, data.columns)
    answers = state.runner().run("answer", state.runner().run("encode", cells))["label"]
    names = np.array(data.columns["label"].state["values"])
    expected = [data.columns["label"].decode(name) for name in names[answers.argmax(1)]]
    assert guessed.targets["label"].values.tolist() == np.array(expected).tolist()
    assert more.splits["valid"] is data.splits["valid"]
    assert more.splits["test"] is data.splits["test"]
    assert "24 of 24 train rows without label get one" in capsys.readouterr().err

    nothing = configfile.parse(sparse(table, tmp_path, threshold=0.999))
    assert len(label(nothing, data, data, state.runner()).splits["train"]) == 24


def test_rows_without_a_class_are_left_out_of_valid_and_test(table, tmp_path):
    made = sparse(table, tmp_path)
    made["data"]["table"] = str(emptied(table, tmp_path, 2, "test"))
    data = prepare(configfile.parse(made), tmp_path / "prepared")
    assert len(data.splits["test"]) == 2
    assert not len(data.unlabelled)


@pytest.mark.slow
def test_a_second_round_that_is_stopped_ends_the_same(table, tmp_path, monkeypatch):
    made = sparse(table, tmp_path, threshold=0.0, epochs=3)
    resuming.assert_resumes(made, tmp_path, monkeypatch, 4, inside="round-2")


@pytest.mark.slow
def test_rows_without_a_class_teach_too(tmp_path):
    """Few rows are enough to know the class by the picture; by it, all rows teach the number."""
    many = tiny.make(tmp_path / "many", rows=400)

    def by_the_number(rounds: dict | None) -> float:
        made = sparse(many, tmp_path, keep=12, epochs=8, lr=0.01, batch_size=8)
        made["train"]["self_training"] = rounds
        bundle = mmbm.train(made, run=tmp_path / f"run-{bool(rounds)}")
        return bundle.metrics["test"]["subsets"]["table"]["label"]

    assert by_the_number({"threshold": 0.8}) > by_the_number(None) + 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": {"amount": {"kind": "number"}}}, "no target is one"),
        ({"data": {"split": {"folds": 3}}}, "leave data.split.folds out"),
    ],
)
def test_what_can_not_be_labelled_is_said(change, message, table, tmp_path):
    made = sparse(table, tmp_path)
    made["targets"] = change.get("targets", made["targets"])
    made["data"].update(change.get("data", {}))
    with pytest.raises(ConfigError, match=message):
        configfile.parse(made)
