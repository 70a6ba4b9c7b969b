"""Features of frozen encoders: computed once, used in training, never what is served."""

import shutil

import backbones
import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

import mmbm
from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.errors import TrainingError
from mmbm.inference.runners import flatten
from mmbm.inference.runners.torch import TorchRunner
from mmbm.nn.model import Model
from mmbm.training import checkpoint
from mmbm.training import feature_cache as features
from mmbm.training.run_folder import Run
from mmbm.training.trainer import Trainer

pytest.importorskip("transformers")
KINDS = {"bert": "text", "vit": "image"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    made = tiny.make(tmp_path_factory.mktemp("tiny"), rows=64)
    lines = made.read_text().splitlines()
    for row in (3, 40):  # absent cells
        cells = lines[row].split(",")
        lines[row] = ",".join(["", cells[1], "", *cells[3:]])
    made.write_text("\n".join(lines) + "\n")
    return made


@pytest.fixture(scope="module", params=list(KINDS))
def named(request, tmp_path_factory):
    return request.param, backbones.make(request.param, tmp_path_factory.mktemp("m") / "model")


def parsed(named, table, tune="frozen", then=None, **options):
    made = backbones.config(table, named[1], KINDS[named[0]], {"tune": tune, "downstream": then})
    for spec in made["inputs"].values():
        spec.update(options)
    return configfile.parse(made)


def files(cache) -> set[str]:
    return {path.name for path in cache.glob("*features*.arrow")}


def ready(config, cache):
    data = prepare(config, cache)
    torch.manual_seed(0)
    model = Model(config, data.columns)
    return model, data, features.cache_frozen_features(config, model, data, cache)


def test_answers_from_features_are_those_of_the_model(named, table, tmp_path):
    model, data, quick = ready(parsed(named, table), tmp_path)
    runner = TorchRunner(model)
    for split in ("train", "valid", "test"):
        places = np.arange(len(data.splits[split]))
        answers = [
            runner.run("answer", runner.run("encode", flatten(batch.inputs, d.columns)))
            for d in (data, quick)
            for batch in [d.splits[split].gather(places)]
        ]
        assert np.abs(answers[0]["label"] - answers[1]["label"]).max() < 1e-5


def test_features_are_computed_once_and_anew_when_weights_or_cells_change(named, table, tmp_path):
    config, cache = parsed(named, table), tmp_path / "cache"
    ready(config, cache)
    first = files(cache)
    before = {name: (cache / name).stat().st_mtime_ns for name in first}
    ready(config, cache)
    assert {name: (cache / name).stat().st_mtime_ns for name in files(cache)} == before
    assert len(first) == 1

    behind = parsed(named, table, then={"kind": "rnn", "size": "tiny"})
    ready(behind, cache)
    assert files(cache) == first  # what is trained behind it reads the same ones

    other = shutil.copytree(named[1], tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    name = next(n for n in weights if n.endswith(("query.weight", "q_proj.weight")))
    weights[name][0, 0] += 1.0
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    ready(parsed((named[0], other), table), cache)
    assert len(files(cache)) == 2

    moved = shutil.copytree(table.parent, tmp_path / "moved") / "data.csv"
    moved.write_text(moved.read_text().replace("looks", "is").replace("town0", "town9"))
    ready(parsed(named, moved), cache)
    assert len(files(cache)) == 3


def test_what_is_trained_is_not_cached(named, table, tmp_path):
    _, data, quick = ready(parsed(named, table, "last:1"), tmp_path)
    assert quick.splits["train"].stores == data.splits["train"].stores
    assert not files(tmp_path)


def test_augmented_pictures_are_read_anew_and_that_is_said(table, tmp_path, capsys):
    vit = "vit", backbones.make("vit", tmp_path / "model")
    ready(parsed(vit, table, augment={"flip": True}), tmp_path / "cache")
    assert not files(tmp_path / "cache")
    assert "photo: augment changes its cells" in capsys.readouterr().err


def test_columns_that_share_weights_each_have_their_features(table, tmp_path):
    bert = "bert", backbones.make("bert", tmp_path / "model")
    made = backbones.config(table, bert[1], "text", {"tune": "frozen"})
    made["inputs"]["place"] = {**made["inputs"]["remark"], "share_weights_with": "remark"}
    ready(configfile.parse(made), tmp_path / "cache")
    assert len(files(tmp_path / "cache")) == 2


@pytest.mark.slow
def test_the_bundle_has_the_encoder_itself(named, table, tmp_path):
    bundle = mmbm.train(parsed(named, table), run=tmp_path / "run")
    assert files(tmp_path / "prepared")
    shutil.rmtree(tmp_path / "prepared")
    assert mmbm.load(bundle.path, verify=True).evaluate(table)["rows"] == 8
    assert any("encoder.body" in n for n in load_file(bundle.path / "weights.safetensors"))


@pytest.mark.slow
def test_folds_share_features(table, tmp_path):
    bert = "bert", backbones.make("bert", tmp_path / "model")
    made = backbones.config(table, bert[1], "text", {"tune": "frozen"})
    made["data"]["split"] = {"folds": 2, "test": 0.2, "then": "all"}
    mmbm.train(made, run=tmp_path / "run")
    assert len(files(tmp_path / "prepared")) == 1


def test_features_are_computed_on_the_device_that_training_asks_for(table, tmp_path, monkeypatch):
    folder = backbones.make("vit", tmp_path / "model")
    config = parsed(("vit", folder), table)
    config = config.model_copy(update={"train": config.train.model_copy(update={"device": "cpu"})})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # one that isn't asked for
    ready(config, tmp_path)
    assert files(tmp_path)


@pytest.mark.parametrize("tune", ["frozen", "last:1", "lora"])
def test_a_checkpoint_holds_what_is_trained_and_the_rest_comes_from_its_model(
    table, tmp_path, tune
):
    folder = backbones.make("bert", tmp_path / "model")
    config = parsed(("bert", folder), table, tune)

    def begin() -> Trainer:
        data = prepare(config, tmp_path / "cache")
        torch.manual_seed(0)
        model = Model(config, data.columns)
        model.inject_lora()
        run = Run(tmp_path / "run", config)
        return Trainer(config, model, data, run)

    first = begin()
    for batch in first.batches(0):
        first.update(batch)
    first.save()
    tensors, _ = checkpoint.load(first.run.folder / checkpoint.CHECKPOINT)
    kept = checkpoint.of("model", tensors)
    frozen = {n for n, p in first.model.named_parameters() if not p.requires_grad}
    assert frozen
    assert not frozen & set(kept)
    assert kept.keys() | first.fixed == first.model.state_dict().keys()

    again = begin()
    again.checkpoints.resume(again.restore)
    ours, theirs = again.model.state_dict(), first.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    other = begin()
    with torch.no_grad():
        other.model.get_parameter(min(frozen)).add_(1)
    with pytest.raises(TrainingError, match=r"frozen weights .* aren't those that it began with"):
        other.checkpoints.resume(other.restore)
    for trainer in (first, again, other):
        trainer.run.close()


def test_weights_of_two_names_are_in_a_checkpoint_twice(tmp_path):
    weight = torch.arange(6.0).reshape(2, 3)
    tensors = {"a": weight, "b": weight, "across": weight.T, "none": torch.empty(0)}
    checkpoint.save(tmp_path / "c", tensors, {})
    read, _ = checkpoint.load(tmp_path / "c")
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
