"""`mmbm init` on the command line: its options, what it prints, and what it never overwrites."""

from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from mmbm.cli import app
from mmbm.errors import ConfigError, TableError


def init(*arguments: str):
    return CliRunner().invoke(app, ["init", *arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path: Path, rows: list[str], encoding: str = "utf-8") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(rows), encoding=encoding)


def numbers(path: Path) -> None:
    table(path, ["x,y", *(f"{i / 7},{'ab'[i % 2]}" for i in range(40))])


def test_the_folder_of_media_can_be_given_and_is_written(here: Path):
    (here / "img").mkdir()
    for i in range(20):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(here / f"img/{i}.png")
    table(here / "tables/t.csv", ["photo,y", *(f"img/{i}.png,{'ab'[i % 2]}" for i in range(20))])
    arguments = ("tables/t.csv", "--target", "y", "-o", "c.yaml")

    assert isinstance(init(*arguments).exception, TableError)
    assert init(*arguments, "--root", ".").exit_code == 0
    assert yaml.safe_load((here / "c.yaml").read_text())["data"]["root"] == "."


def test_how_a_csv_is_read_can_be_given_and_is_written(here: Path):
    rows = ["title", "x|y", *(f"{i / 7}|é{'ab'[i % 2]}" for i in range(40))]
    table(here / "t.csv", rows, "cp1252")

    options = ["--encoding", "cp1252", "--delimiter", "|", "--skip", "1", "--no-quote"]
    result = init("t.csv", "--target", "y", "-o", "c.yaml", *options)

    assert result.exit_code == 0
    data = yaml.safe_load((here / "c.yaml").read_text())["data"]
    assert {k: data[k] for k in ("encoding", "delimiter", "skip", "quote")} == {
        "encoding": "cp1252", "delimiter": "|", "skip": 1, "quote": False,
    }  # fmt: skip


def test_a_config_that_was_edited_is_never_written_over(here: Path):
    numbers(here / "t.csv")
    arguments = ("t.csv", "--target", "y", "-o", "c.yaml")
    assert init(*arguments).exit_code == 0
    written = (here / "c.yaml").read_text()
    assert init(*arguments).exit_code == 0

    (here / "c.yaml").write_text(written + "# my own notes\n")
    refused = init(*arguments).exception

    assert isinstance(refused, ConfigError)
    assert "--force" in str(refused)
    assert (here / "c.yaml").read_text().endswith("# my own notes\n")
    assert init(*arguments, "--force").exit_code == 0
    assert (here / "c.yaml").read_text() == written


def test_a_config_that_nobody_edited_is_written_anew_and_that_is_said(here: Path):
    numbers(here / "t.csv")
    table(here / "u.csv", ["z,y", *(f"{i / 3},{'ab'[i % 2]}" for i in range(40))])
    init("t.csv", "--target", "y", "-o", "c.yaml")

    result = init("u.csv", "--target", "y", "-o", "c.yaml")

    assert "in place of the old one" in result.stderr
    assert "z" in yaml.safe_load((here / "c.yaml").read_text())["inputs"]


def test_a_config_written_by_hand_is_never_written_over(here: Path):
    numbers(here / "t.csv")
    (here / "c.yaml").write_text("data: {table: t.csv}\n")

    assert isinstance(init("t.csv", "--target", "y", "-o", "c.yaml").exception, ConfigError)


def test_what_was_decided_is_printed(here: Path):
    rows = [f'P{i % 9},"{i},5",{["nan", "cat", "dog"][i % 3]}' for i in range(60)]
    table(here / "t.csv", ["patient,x,y", *rows])

    result = init("t.csv", "--target", "y", "-o", "c.yaml")

    assert "Left out: patient: names who" in result.stderr
    assert "Note: y: nan looks like missing: 20 rows" in " ".join(result.stderr.split())
    assert yaml.safe_load((here / "c.yaml").read_text())["inputs"]["x"]["decimal"] == ","


def test_a_long_stage_says_how_far_it_is(monkeypatch, capfd):
    from mmbm import console as progress

    monkeypatch.setattr(progress, "QUIET", 0.0)

    assert list(progress.heartbeat([1, 2, 3], "Rows read", 3)) == [1, 2, 3]
    assert "Rows read: 2 of 3" in capfd.readouterr().err
