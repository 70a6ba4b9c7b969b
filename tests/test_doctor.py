"""What is installed, what is missing and how to get it; the version; what a notebook completes."""

import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import mmbm
from mmbm import doctor

PROJECT = Path(__file__).parents[1]


def cli(*arguments) -> str:
    command = [sys.executable, "-m", "mmbm.cli", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_public_names_are_completed_before_their_first_use():
    code = "import mmbm, sys; print(*dir(mmbm)); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(mmbm.__all__) <= set(done.stdout.split())
    assert all(hasattr(mmbm, name) for name in mmbm.__all__)


def test_the_version_is_told():
    assert cli("--version") == f"mmbm {mmbm.__version__}\n"


def test_every_extra_is_an_ability_or_a_group_of_them():
    with (PROJECT / "pyproject.toml").open("rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    assert extras == (set(doctor.ABILITIES) | doctor.GROUPS) - {""}


def test_the_doctor_tells_of_this_machine():
    report = json.loads(cli("doctor", "--json"))
    assert report["mmbm"] == mmbm.__version__
    assert report["cpu"]["cores"] >= 1
    assert report["packages"]["numpy"] == metadata.version("numpy")
    ready = {one["extra"]: one["ready"] for one in report["abilities"]}
    assert ready[""]
    assert ready["train"]
    assert {"what", "path", "bytes"} == set(report["caches"][0])


def test_the_doctor_shows_people_each_ability():
    shown = cli("doctor")
    for extra in doctor.ABILITIES:
        assert extra in shown


@pytest.mark.parametrize("version", [None, "0.1"], ids=["missing", "too old"])
def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch, version):
    real = metadata.version

    def found(name):
        if name != "starlette":
            return real(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(doctor.metadata, "version", found)
    serve = doctor.ability("serve")
    assert not serve["ready"]
    assert serve["missing"] == ["starlette>=0.40"]
    assert serve["install"] == 'pip install "mmbm[serve]"'
    assert doctor.ability("playground")["missing"] == ["starlette>=0.40"]  # it has serve within
    assert doctor.ability("train")["ready"]
