"""The examples run, and keep what their READMEs say."""

import runpy
from pathlib import Path

import pytest
import sklearn.datasets

import mmbm

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_textbook_network_takes_at_most_15_lines():
    lines = (EXAMPLES / "seed" / "seed.py").read_text("utf-8").splitlines()
    assert len([line for line in lines if line and not line.startswith('"""')]) <= 15


def test_the_textbook_network_trains(tmp_path, monkeypatch, capsys):
    pixels, digits = sklearn.datasets.load_digits(return_X_y=True)
    few = pixels[:120], digits[:120]
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda return_X_y: few)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "seed" / "seed.py"))
    assert "photo+question" in capsys.readouterr().out
    assert mmbm.load(tmp_path / "runs" / "run" / "bundle").verify() > 0


@pytest.mark.slow
def test_the_textbook_network_needs_picture_and_question(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "seed" / "seed.py"))
    subsets = mmbm.load(tmp_path / "runs" / "run" / "bundle").evaluate()["subsets"]
    assert subsets["photo+question"]["answer"] >= 0.95
    assert max(subsets["photo"]["answer"], subsets["question"]["answer"]) <= 0.5
