"""A pretrained model by its name on the Hub, out of a cache as the Hub's own client keeps it."""

import shutil

import pytest
from huggingface_hub import constants

from mmbm.config import load as configfile
from mmbm.errors import ConfigError
from mmbm.kinds.pretrained import read_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": '{"model_type": "vit"}',
    "preprocessor_config.json": "{}",
    "model.safetensors": "\x02\0\0\0\0\0\0\0{}",  # of no tensors
}


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    """The cache of a machine that has fetched tiny/vit, and has no network now."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model = tmp_path / "models--tiny--vit"
    folder = model / "snapshots" / COMMIT
    for path in (model / "refs", folder):
        path.mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    yield folder
    shutil.rmtree(model)


def encoder(model: str):
    raw = {
        "data": {"table": "t.csv"},
        "inputs": {"photo": {"kind": "image", "encoder": {"kind": "pretrained", "model": model}}},
        "targets": {"label": {"kind": "category"}},
    }
    return configfile.fetch(configfile.parse(raw)).inputs["photo"].encoder


@pytest.mark.parametrize("name", ["hf/tiny/vit", "hf/tiny/vit@main", f"hf/tiny/vit@{COMMIT}"])
def test_a_name_of_the_hub_becomes_the_folder_that_was_fetched(snapshot, name):
    found = encoder(name)
    assert found.model == str(snapshot)
    assert read_folder(found, ("vit",))["config"] == {"model_type": "vit"}


def test_a_name_of_timm_is_of_its_owner_on_the_hub(snapshot, tmp_path):
    model = tmp_path / "models--timm--tiny.in1k"
    shutil.copytree(snapshot.parents[1], model)
    assert encoder("timm/tiny.in1k").model == str(model / "snapshots" / COMMIT)
    with pytest.raises(ConfigError, match=r"timm/other: .*hf download timm/other"):
        encoder("timm/other")
    shutil.rmtree(model)


def test_what_is_not_there_and_cannot_be_fetched_is_named_with_the_cure(snapshot):
    with pytest.raises(ConfigError, match=r"hf/tiny/bert: .*hf download tiny/bert"):
        encoder("hf/tiny/bert")
    with pytest.raises(ConfigError, match=r"hf/tiny/vit@v2: .*can't be reached"):
        encoder("hf/tiny/vit@v2")


def test_any_other_name_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert encoder("models/vit").model == str(tmp_path / "models/vit")
