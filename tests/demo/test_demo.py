"""The quickstart: an ordinary folder, honest splits, and an answer that needs all three inputs."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from PIL import Image

import mmbm
from mmbm.demo.dataset import digits, draw, make
from mmbm.errors import MmbmError

ALL = "picture+sound+question"
INPUTS = ("picture", "sound", "question")


def drawn(rows: int = 5000, seed: int = 7):
    return draw(rows, digits()[1], np.random.default_rng(seed))


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mmbm.cli", "demo", "--json", "--folder", str(folder)]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo") / "dataset"


@pytest.fixture(scope="module")
def output(folder) -> subprocess.CompletedProcess:
    return demo(folder, "--rows", "80", "--set", "train.epochs=1", "--set", "train.threads=1")


def test_json_is_all_that_stdout_holds(output, folder):
    summary = json.loads(output.stdout)
    assert list(summary) == ["accuracy", "subsets", "seconds", "bundle"]
    assert summary["subsets"][ALL] == summary["accuracy"]
    assert len(summary["subsets"]) == 7
    assert Path(summary["bundle"]) == folder / "run" / "bundle"
    assert "mmbm train" in output.stderr


def test_the_folder_is_an_ordinary_dataset(output, folder):
    with (folder / "data.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 80
    assert {row["split"] for row in rows} == {"train", "valid", "test"}
    for row in rows:
        assert Image.open(folder / row["picture"]).size == (32, 32)
        assert 0.1 < soundfile.info(folder / row["sound"]).duration < 1.0
    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    assert tuple(config["inputs"]) == INPUTS  # and not the columns that give the answer away
    assert len(mmbm.load(folder / "run" / "bundle").predict(folder / "data.csv")) == 80


def test_a_second_demo_uses_the_media_of_the_first_and_replaces_its_run(output, folder):
    before = (folder / "media" / "00000.wav").stat().st_mtime_ns
    (folder / "run" / "left-over").touch()
    again = demo(folder, "--rows", "80", "--set", "train.epochs=1", "--set", "train.threads=1")
    assert (folder / "media" / "00000.wav").stat().st_mtime_ns == before
    assert not (folder / "run" / "left-over").exists()
    assert json.loads(again.stdout)["accuracy"] == json.loads(output.stdout)["accuracy"]


def test_the_same_seed_makes_the_same_files_and_another_replaces_them(tmp_path):
    def files(folder: Path) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (folder / "media").iterdir()}

    make(tmp_path / "a", 50, seed=1)
    make(tmp_path / "b", 50, seed=1)
    first = files(tmp_path / "a")
    assert first == files(tmp_path / "b")
    make(tmp_path / "b", 60, seed=2)
    assert len(files(tmp_path / "b")) == 120
    assert files(tmp_path / "b") != first


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(MmbmError, match="holds other files"):
        make(tmp_path, 50, seed=1)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_no_picture_and_no_voice_of_one_split_is_in_another():
    rows = drawn()
    for made_from in (lambda row: row.original, lambda row: row.voice.partition("+")[2]):
        seen = [{made_from(r) for r in rows if r.split == s} for s in ("train", "valid", "test")]
        assert len(set.union(*seen)) == sum(map(len, seen))


@pytest.mark.parametrize("known", [("seen", "heard"), ("seen", "question"), ("heard", "question")])
def test_who_knows_only_two_of_three_cannot_answer(known):
    """The best guess from counts over the very rows it is scored on: no model does better."""
    rows = drawn(50_000)
    counts: dict[tuple, dict[int, int]] = {}
    for row in rows:
        answers = counts.setdefault(tuple(getattr(row, name) for name in known), {})
        answers[row.answer] = answers.get(row.answer, 0) + 1
    assert sum(max(answers.values()) for answers in counts.values()) / len(rows) <= 0.40


@pytest.mark.slow
def test_all_three_inputs_answer_and_no_two_of_them_do(tmp_path):
    summary = json.loads(demo(tmp_path / "demo").stdout)
    assert summary["accuracy"] >= 0.95
    assert max(v for name, v in summary["subsets"].items() if name != ALL) <= 0.45
