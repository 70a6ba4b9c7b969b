"""Every command and Python block of both READMEs runs, at a smaller size."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from serve.conftest import serving

from mmbm.config.load import parse

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README.zh-CN.md"]


def blocks(readme: str, language: str) -> list[str]:
    text = (ROOT / readme).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def commands(readme: str) -> list[str]:
    lines = [line for block in blocks(readme, "sh") for line in block.splitlines()]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where a reader would be after `make demo`."""
    folder = tmp_path_factory.mktemp("reader")
    run(folder, "mmbm demo --rows 200 --set train.epochs=1")
    return folder


def run(folder: Path, command: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(shlex.split(command), cwd=folder, check=True, env={**os.environ, "PATH": path})


def test_both_readmes_say_the_same():
    english, chinese = ((ROOT / r).read_text(encoding="utf-8") for r in READMES)
    assert commands("README.md") == commands("README.zh-CN.md")
    assert len(re.findall("^#", english, re.M)) == len(re.findall("^#", chinese, re.M))
    assert english.count("\n|") == chinese.count("\n|")
    ours, theirs = blocks("README.md", "yaml"), blocks("README.zh-CN.md", "yaml")
    assert [yaml.safe_load(b) for b in ours] == [yaml.safe_load(b) for b in theirs]


@pytest.mark.parametrize("readme", READMES)
def test_the_yaml_is_a_config(readme):
    kinds = set()
    for block in blocks(readme, "yaml"):
        kinds |= {target.kind for target in parse(yaml.safe_load(block)).targets.values()}
    assert kinds == {"category", "transcript", "contrastive", "text"}


@pytest.mark.parametrize("readme", READMES)
def test_links_lead_to_files(readme):
    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / readme).read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link


@pytest.mark.slow
@pytest.mark.parametrize("readme", READMES)
def test_commands_and_python_blocks_run(readme, folder, tmp_path):
    """The server of `mmbm serve` goes on, on a port of its own, while the rest is done."""
    port = "8000"
    with contextlib.ExitStack() as stack:
        for command in commands(readme):
            name, *arguments = shlex.split(command)
            if name == "make":
                assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text(), command
            elif arguments[0] == "serve":
                bundle = folder / arguments[1]
                port = stack.enter_context(serving(tmp_path, bundle)).url.rpartition(":")[2]
            elif name == "curl":
                run(folder, command.replace("localhost:8000", f"localhost:{port}") + " --fail")
            else:
                run(folder, command + " --set train.epochs=1" * (arguments[0] == "train"))
        for block in blocks(readme, "python"):
            text = block.replace("localhost:8000", f"localhost:{port}")
            (folder / "block.py").write_text(text, encoding="utf-8")
            run(folder, f"{sys.executable} block.py")
