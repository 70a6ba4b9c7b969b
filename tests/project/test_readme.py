"""Every command and Python block of both READMEs runs, and both say the same."""

import re

import pytest
import yaml
from pages import ROOT, blocks, commands, follow

from mmbm.config import Config

READMES = ["README.md", "README.zh-CN.md"]


def shell(readme: str) -> list[str]:
    return [c for block in blocks(ROOT / readme, "sh") for c in commands(block.text)]


def test_both_readmes_say_the_same():
    english, chinese = ((ROOT / r).read_text(encoding="utf-8") for r in READMES)
    assert shell("README.md") == shell("README.zh-CN.md")
    assert len(re.findall("^#", english, re.M)) == len(re.findall("^#", chinese, re.M))
    assert english.count("\n|") == chinese.count("\n|")
    for language in ("yaml", "python", "bibtex"):
        ours, theirs = blocks(ROOT / "README.md", language), blocks(ROOT / READMES[1], language)
        assert len(ours) == len(theirs) > 0
    ours, theirs = (blocks(ROOT / readme, "yaml") for readme in READMES)
    assert [yaml.safe_load(b.text) for b in ours] == [yaml.safe_load(b.text) for b in theirs]


@pytest.mark.parametrize("readme", READMES)
def test_a_readme_has_at_most_200_lines(readme):
    assert len((ROOT / readme).read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("readme", READMES)
def test_the_yaml_is_a_config(readme):
    for block in blocks(ROOT / readme, "yaml"):
        assert Config.model_validate(yaml.safe_load(block.text)).targets


@pytest.mark.slow
@pytest.mark.parametrize("readme", READMES)
def test_commands_and_python_blocks_run(readme, tmp_path):
    follow(ROOT / readme, tmp_path)
