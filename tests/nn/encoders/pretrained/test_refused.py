"""A folder that is no model, or a network that does not fit, is refused by a sentence."""

import shutil

import backbones
import pytest
from backbones import MODELS, modality

from mmbm.errors import ConfigError


def damaged(named, tmp_path, change) -> tuple[str, object]:
    folder = shutil.copytree(named[1], tmp_path / "model")
    change(folder)
    return named[0], folder


def edit(name: str, **changes):
    return lambda folder: backbones.damage(folder, name, **changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder), r"model has no config\.json.*tokenizer"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"model has no tokenizer\.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "Pickled weights"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "is no tokenizer.json"),
        (edit("config.json", model_type="vit"), "is a 'vit' model; this input is read by bert"),
        (edit("config.json", vocab_size=5), "has 13 tokens, and its model knows 5"),
        (edit("config.json", max_position_embeddings=9), "reads 9 at most.*write max_tokens: 9"),
        (edit("config.json", num_hidden_layers=4), "its weights don't fit its config"),
    ],
)
def test_a_folder_that_is_no_model_of_texts_is_said(bert, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        modality(damaged(bert, tmp_path, change))


def cut(folder) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, r"model\.safetensors is damaged or cut off"),
        (lambda folder: shutil.rmtree(folder), r"model has no config\.json"),
        (edit("config.json", model_type="bert"), "is a 'bert' model; this input is read by vit"),
        (edit("config.json", image_size=64), "reads 64x64 pixels, not 32x32; write size: 64"),
        (edit("config.json", num_channels=1), "channels: its encoder reads 1, not 3"),
        (edit("preprocessor_config.json", image_mean=None), "has no image_mean"),
        (edit("config.json", hidden_size=16), "its weights don't fit its config"),
    ],
)
def test_a_folder_that_is_no_model_of_pictures_is_said(vit, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        modality(damaged(vit, tmp_path, change))


CFG = {"mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.mark.skipif("timm/test_vit" not in MODELS, reason="needs timm: make test-timm")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "vit_of_nobody"}, "timm .* has no model 'vit_of_nobody'"),
        ({"architecture": "test_resnet", "model_args": {}}, "its weights don't fit its config"),
        ({"model_args": {"checkpoint_path": "x.pth"}}, "may not say checkpoint_path in model_args"),
        ({"model_args": {"patches": 8}}, "can't be made by its model_args: .*patches"),
        ({"pretrained_cfg": {**CFG, "interpolation": "random"}}, "resized, 'random', isn't known"),
        ({"pretrained_cfg": {"input_size": [3, 32, 32]}}, "has no image_mean of three channels"),
        (
            {"pretrained_cfg": {**CFG, "input_size": [3, 64, 64], "fixed_input_size": True}},
            "write size: 64",
        ),
    ],
)
def test_a_folder_that_is_no_model_of_timm_is_said(tmp_path, changes, message):
    folder = backbones.make("timm/test_vit", tmp_path / "model")
    backbones.damage(folder, "config.json", **changes)
    with pytest.raises(ConfigError, match=message):
        modality(("timm/test_vit", folder))


def test_a_picture_too_small_for_a_network_is_refused(tmp_path):
    resnet = "resnet", backbones.make("resnet", tmp_path / "m")
    with pytest.raises(ConfigError, match="reads 32 pixels a side at least, not 16x16"):
        modality(resnet, size=16)
    dinov2 = "dinov2", backbones.make("dinov2", tmp_path / "d")
    with pytest.raises(ConfigError, match="in whole patches of 8, not 36x36"):
        modality(dinov2, size=36)


def test_more_blocks_than_there_are_is_an_error(vit):
    with pytest.raises(ConfigError, match="last:9 is more than the 3 blocks"):
        modality(vit, tune="last:9")
