"""What a machine without torch gets: the wheel alone, and a bundle trained elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of a fresh environment with the wheel and none of its extras."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, PROJECT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("mmbm-*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", wheel], check=True)
    return python


def mmbm(python: Path, *arguments, status=0):
    command = [python, "-m", "mmbm.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=python.parent)
    assert done.returncode == status, done.stderr
    return done


def test_the_base_install_has_no_torch_and_no_other_training_package(python):
    code = """
import importlib.util as util
heavy = ("torch", "sklearn", "pandas", "grain", "onnx", "tensorboard")
found = [name for name in heavy if util.find_spec(name)]
assert not found, found
"""
    subprocess.run([python, "-c", code], check=True)


def test_the_wheel_answers_as_the_machine_that_trained(python, bundle, table, tmp_path):
    expected = bundle.predict(table, probabilities=True, explain=True)
    out = tmp_path / "out.jsonl"
    options = ["--probabilities", "--explain", "--verify", "-o", out]
    mmbm(python, "predict", bundle.path, table, *options)
    answers = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(answers) == len(expected) == 96
    for ours, theirs in zip(answers, expected):
        theirs = {name: value for name, value in theirs.items() if value is not None}
        numbers = {k: v for k, v in theirs.items() if isinstance(v, float)}
        assert {k: ours[k] for k in numbers} == pytest.approx(numbers, rel=1e-4, abs=1e-4)
        assert {k: v for k, v in ours.items() if k not in numbers} == {
            k: v for k, v in theirs.items() if k not in numbers
        }


def test_recorded_metrics_are_shown_without_any_extra(python, bundle_path):
    report = json.loads(mmbm(python, "evaluate", bundle_path, "--json").stdout)
    assert report["rows"] == 12


def test_what_needs_an_extra_says_how_to_get_it(python, bundle_path, table):
    done = mmbm(python, "evaluate", bundle_path, table, status=1)
    assert 'pip install "mmbm[evaluate]"' in done.stderr
    done = mmbm(python, "train", bundle_path / "config.yaml", status=1)
    assert 'pip install "mmbm[train]"' in done.stderr
    assert "Traceback" not in done.stderr
