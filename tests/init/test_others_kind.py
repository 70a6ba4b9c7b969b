"""A kind of another package is found by `mmbm init`, with no line changed in mmbm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import mmbm

PACKAGE = """
from typing import ClassVar, Literal

from mmbm.kinds.guess import ColumnGuess
from mmbm.registry import Kind
from mmbm.specs.columns import InputSpec, TargetSpec

KIND = Kind(
    input="points:PointSpec", target="points:PointTarget", infer="points:infer",
    infer_target="points:infer_target",
)


class PointSpec(InputSpec):
    kind: Literal["point"] = "point"
    scale: float = 1.0


class PointTarget(TargetSpec):
    kind: Literal["point"] = "point"
    task: ClassVar[str] = "regression"


def infer(sample):
    if not all(isinstance(c, dict) and {*c} == {"x", "y"} for c in sample.present):
        return None
    most = max(max(map(abs, c.values())) for c in sample.present)
    why = f"points within {most:g}"
    note = f"{sample.name}: its points are divided by {most:g}."
    few = lambda options, rows, long: {**options, "few": rows}
    return ColumnGuess("point", why, {"scale": most}, notes=(note,), few_rows=few)


def infer_target(sample):
    return infer(sample) and ColumnGuess("point", "points to answer")
"""
RUN = """
import sys
from pathlib import Path
from mmbm.data.table import open_table
from mmbm.init import infer, report, to_yaml
inferred = infer(open_table("data.jsonl"), [sys.argv[1]])
Path("config.yaml").write_text(to_yaml(inferred, Path("config.yaml").absolute()))
print(*report(inferred), sep="\\n")
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    about = tmp_path / "points-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: points\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[mmbm.kinds]\npoint = points:KIND\n")
    (tmp_path / "points.py").write_text(PACKAGE)
    rows = [
        f'{{"where": {{"x": {i % 7}, "y": {i % 5}}}, "size": {i * 37 % 101 / 8}, '
        f'"label": "{"ab"[i % 2]}"}}'
        for i in range(60)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(rows))
    return tmp_path


def init(here: Path, target: str) -> tuple[str, dict, str]:
    """The config as text and as read, and what is printed."""
    source = Path(mmbm.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{source}"}
    run = [sys.executable, "-c", RUN, target]
    done = subprocess.run(run, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (here / "config.yaml").read_text()
    return text, yaml.safe_load(text), done.stdout


def test_its_guess_goes_the_whole_way(here: Path):
    text, config, printed = init(here, "label")

    assert config["inputs"]["where"] == {"kind": "point", "scale": 6, "few": 42}
    assert config["inputs"]["size"]["kind"] == "number"
    assert "# points within 6" in text
    assert "Note: where: its points are divided by 6." in printed


def test_it_is_a_target_too(here: Path):
    text, config, _ = init(here, "where")

    assert config["targets"]["where"] == {"kind": "point"}
    assert "# points to answer" in text
    assert config["fusion"]["kind"] == "concat"
