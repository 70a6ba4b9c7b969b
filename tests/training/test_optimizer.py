"""Rates and frozen blocks, one encoder block at a time."""

import backbones
import pytest
import tiny
import torch
from trainers import an_epoch, trainer_of

from mmbm.config import load as configfile
from mmbm.errors import ConfigError
from mmbm.training.trainer import Trainer

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("tiny"), rows=64)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return backbones.make("vit", tmp_path_factory.mktemp("vit") / "model")


def rates(trainer: Trainer) -> dict[str, float]:
    """The learning rate of each weight."""
    names = {weight: name for name, weight in trainer.model.named_parameters()}
    return {names[w]: g["lr"] for g in trainer.optimizer.param_groups for w in g["params"]}


def test_each_block_learns_at_a_part_of_the_rate_of_the_one_above(vit, table, tmp_path):
    made = backbones.config(table, vit, "image", {"lr": 0.001, "layer_decay": 0.5})
    trainer = trainer_of(made, tmp_path)
    an_epoch(trainer, 0)
    found = {name.partition("/photo.")[2] or name: lr for name, lr in rates(trainer).items()}
    own = found["project.weight"]
    scale = 0.001 / trainer.spec.lr
    for name, depth in (
        ("layernorm.weight", 0), ("layers.2.mlp.fc1.weight", 0), ("layers.1.mlp.fc1.weight", 1),
        ("layers.0.mlp.fc1.weight", 2), ("embeddings.cls_token", 3),
    ):  # fmt: skip
        assert found[f"encoder.body.{name}"] == pytest.approx(own * scale * 0.5**depth), name


def test_blocks_are_unfrozen_one_after_another_from_the_top(vit, table, tmp_path):
    made = backbones.config(table, vit, "image", {"gradual_unfreezing": 1}, epochs=5)
    trainer = trainer_of(made, tmp_path)
    seen = []
    for epoch in range(5):
        before = {n: w.clone() for n, w in trainer.model.named_parameters()}
        an_epoch(trainer, epoch)
        moved = {n for n, w in trainer.model.named_parameters() if not torch.equal(w, before[n])}
        seen.append([any(f"body.{part}" in n for n in moved) for part in
                     ("layers.2", "layers.1", "layers.0", "embeddings")])  # fmt: skip
        assert any("project" in name for name in moved)
    assert seen == [[i < epoch for i in range(4)] for epoch in range(5)]


def test_a_frozen_encoder_has_no_rate(vit, table):
    made = backbones.config(table, vit, "image", {"tune": "frozen", "layer_decay": 0.5})
    with pytest.raises(ConfigError, match="layer_decay: nothing of a frozen encoder is trained"):
        configfile.parse(made)
