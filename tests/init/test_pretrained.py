"""Installed weights encode few rows where they suit."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from PIL import Image
from typer.testing import CliRunner

from mmbm.cli import app
from mmbm.config import load as configfile
from mmbm.init import pretrained


def init(*arguments: str):
    return CliRunner().invoke(app, ["init", *arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path: Path, rows: list[str], encoding: str = "utf-8") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(rows), encoding=encoding)


@pytest.fixture
def media(here: Path, monkeypatch) -> Path:
    """A table of large and tiny pictures, sounds and texts, where all weights seem installed."""
    monkeypatch.setattr(pretrained, "is_installed", lambda package: True)
    rows = ["photo,other,icon,said,remark,long,note,y"]
    for i in range(40):
        for name, size in (("photo", (120, 90)), ("other", (120, 90)), ("icon", (16, 16))):
            Image.new("RGB", size, (i, 9, 99)).save(here / f"{name}{i}.png")
        wave = np.random.default_rng(i).normal(0, 0.1, 8000)
        soundfile.write(here / f"{i}.wav", wave, 8000)
        texts = f"a remark of {i} café words,{f'many words {i} ' * 60},这是第{i}个中文句子"
        rows.append(f"photo{i}.png,other{i}.png,icon{i}.png,{i}.wav,{texts},{'ab'[i % 2]}")
    table(here / "t.csv", rows)
    return here


def inputs_of(path: Path):
    return yaml.safe_load(path.read_text())["inputs"]


def test_installed_weights_encode_few_rows_where_they_suit_and_the_config_says_which(media: Path):
    pytest.importorskip("transformers")
    result = init("t.csv", "--target", "y", "-o", "c.yaml")

    assert result.exit_code == 0
    inputs, text = inputs_of(media / "c.yaml"), (media / "c.yaml").read_text()
    frozen = {"kind": "pretrained", "tune": "frozen"}
    lite, minilm, whisper = (pretrained.KNOWN[kind] for kind in ("image", "text", "audio"))
    assert inputs["photo"]["encoder"] == {**frozen, "model": lite.model}
    assert inputs["photo"]["size"] == [128, 160]
    assert inputs["other"] == {**inputs["photo"], "share_weights_with": "photo"}
    assert inputs["remark"]["encoder"] == {**frozen, "model": minilm.model}
    assert inputs["said"]["encoder"] == {**frozen, "model": whisper.model, "pad_to_seconds": 1.0}
    assert inputs["icon"]["encoder"]["kind"] == "cnn"  # too small
    assert inputs["note"]["tokenizer"] == "ngram"  # not English
    assert inputs["long"]["tokenizer"] == "ngram"
    for weights, names in ((lite, "photo, other"), (minilm, "remark"), (whisper, "said")):
        said = f"{names}: encoded by {weights.title}, frozen, since train rows are few "
        said += f"({weights.license}; {weights.megabytes} MB"
        assert said in text
        assert said in " ".join(result.stderr.split())
    assert "--from-scratch" in text
    configfile.parse(yaml.safe_load(text))


def test_from_scratch_is_as_without_the_packages(media: Path, monkeypatch):
    assert init("t.csv", "--target", "y", "-o", "a.yaml", "--from-scratch").exit_code == 0
    monkeypatch.setattr(pretrained, "is_installed", lambda package: False)
    assert init("t.csv", "--target", "y", "-o", "b.yaml").exit_code == 0

    scratch, without = ((media / name).read_text() for name in ("a.yaml", "b.yaml"))
    assert "pretrained" not in scratch
    assert yaml.safe_load(scratch) == yaml.safe_load(without)


def test_what_no_such_encoder_suits_is_as_without_weights(media: Path):
    transcript = ["t.csv", "--transcript", "remark", "--only", "said"]
    assert init(*transcript, "-o", "a.yaml").exit_code == 0
    assert init(*transcript, "-o", "b.yaml", "--from-scratch").exit_code == 0

    assert inputs_of(media / "a.yaml") == inputs_of(media / "b.yaml")
