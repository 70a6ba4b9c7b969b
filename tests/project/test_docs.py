"""The pages of docs/: links lead somewhere, configs are configs, tutorials run, the site builds."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml
from pages import DOCS, ROOT, blocks, commands, follow

from mmbm.cli import app
from mmbm.config import Config

PAGES = sorted(p for p in DOCS.rglob("*.md") if "decisions" not in p.parts)
WRITTEN = [*PAGES, *(ROOT / f for f in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md"))]
CHINESE = [p for p in PAGES if p.name.endswith(".zh.md")]
TUTORIALS = sorted(
    p for p in (DOCS / "tutorials").glob("*.md") if blocks(p, "sh") and p not in CHINESE
)
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
EMPTY_TEXTS = {
    "all of it",
    "here",
    "this",
    "more",
    "why",
    "how",
    "where",
    "详细说明",
    "说明",
    "这里",
}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = [re.sub(r"[`*]|\]\([^)]*\)|\[", "", t) for t in re.findall(r"^#+ (.+)$", text, re.M)]
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_links_lead_to_files_and_headings(page):
    for _, target in LINK.findall(page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if re.match("[a-z]+:", file):
            continue
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), target
        if anchor and found.suffix == ".md" and found.parent.name != "reference":
            assert anchor in anchors(found), target


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_link_texts_name_their_page(page):
    texts = {text.lower() for text, _ in LINK.findall(page.read_text(encoding="utf-8"))}
    assert not texts & EMPTY_TEXTS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_configs_are_configs(page):
    """A part of a config is completed by the inputs and targets that it doesn't show."""
    for block in blocks(page, "yaml"):
        shown = yaml.safe_load(block.text)
        whole = {"data": {"table": "data.csv"}, "inputs": {}, "targets": {}} | shown
        needed = {
            spec.get("input", name)
            for name, spec in whole["targets"].items()
            if spec.get("kind") == "transcript"
        }
        for column in needed - set(whole["inputs"]):
            whole["inputs"][column] = {"kind": "audio"}
        for spec in whole["targets"].values():
            for column in set(spec.get("columns", ())) - set(whole["inputs"]):
                text = column == spec.get("zero_shot", {}).get("text_input")
                whole["inputs"][column] = {"kind": "text" if text else "image"}
        windows = any(isinstance(s, dict) and s.get("windows") for s in whole["inputs"].values())
        whole["inputs"] = whole["inputs"] or {"photo": {"kind": "image"}}
        if not whole["targets"] and windows:
            whole["targets"] = {
                "words": {"kind": "transcript", "input": next(iter(whole["inputs"]))}
            }
        whole["targets"] = whole["targets"] or {"label": {"kind": "category"}}
        Config.model_validate(whole)


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_python_blocks_are_python(page):
    for block in blocks(page, "python"):
        compile(block.text, str(page), "exec")


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_commands_have_the_options_they_show(page):
    there = typer.main.get_command(app).commands
    for command in (c for block in blocks(page, "sh") for c in commands(block.text)):
        words = shlex.split(command)
        if words[0] != "mmbm" or words[1] == "search":  # its options are the table's columns
            continue
        known = {o for p in there[words[1]].params for o in (*p.opts, *p.secondary_opts)}
        assert {w for w in words if re.match(r"--?[a-z]", w)} <= known, command


@pytest.mark.parametrize("page", CHINESE, ids=name)
def test_a_translation_has_the_same_code_headings_and_tables(page):
    english = page.with_name(page.name.replace(".zh.md", ".md"))
    assert [b.text for b in blocks(page, "python")] == [b.text for b in blocks(english, "python")]
    ours, theirs = ([commands(b.text) for b in blocks(p, "sh")] for p in (page, english))
    assert ours == theirs
    ours, theirs = ([yaml.safe_load(b.text) for b in blocks(p, "yaml")] for p in (page, english))
    assert ours == theirs
    ours, theirs = (p.read_text(encoding="utf-8") for p in (page, english))
    assert len(re.findall("^#+ ", ours, re.M)) == len(re.findall("^#+ ", theirs, re.M))
    assert ours.count("\n|") == theirs.count("\n|")


def test_every_page_is_in_the_navigation():
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    there = {p.relative_to(DOCS).as_posix() for p in PAGES if not p.name.endswith(".zh.md")}
    assert there - set(listed) == set()
    assert {page for page in listed if not (DOCS / page).exists()} == set()


def test_the_index_lists_every_decision():
    text = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"\]\((\d{3}-[^)]+\.md)\)", text))
    assert listed == {p.name for p in (DOCS / "decisions").glob("[0-9]*.md")}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", TUTORIALS, ids=name)
def test_a_tutorial_runs(page, tmp_path):
    follow(page, tmp_path)


@pytest.mark.skipif(not importlib.util.find_spec("mkdocs"), reason="needs mmbm[docs]")
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    reference = (tmp_path / "reference" / "config" / "index.html").read_text(encoding="utf-8")
    assert "train" in reference
    assert (tmp_path / "zh" / "principles" / "index.html").exists()
