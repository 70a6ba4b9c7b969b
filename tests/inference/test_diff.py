"""`mmbm diff`: what two bundles differ in."""

import json

import pytest
import tiny
from typer.testing import CliRunner

import mmbm
from mmbm.cli.app import app
from mmbm.errors import MmbmError
from mmbm.inference.diff import diff


@pytest.fixture(scope="module")
def bundles(table, tmp_path_factory):
    """The same config, and with other inputs and more epochs."""
    folder = tmp_path_factory.mktemp("two")
    one, other = tiny.config(table, epochs=1), tiny.config(table, epochs=12, lr=0.01)
    for made in (one, other):
        made["inputs"] = {name: made["inputs"][name] for name in ("remark", "speed")}
    del other["inputs"]["remark"]
    return mmbm.train(one, run=folder / "one"), mmbm.train(other, run=folder / "other")


def test_a_bundle_differs_from_itself_in_nothing(bundles, table):
    found = diff(bundles[0], bundles[0], table)
    assert found["settings"] == {}
    rows = found["rows"]["label"]
    assert (rows["changed"], rows["difference"], rows["interval"]) == (0, 0.0, [0.0, 0.0])


def test_settings_scores_and_answers_are_those_of_each(bundles, table):
    one, other = bundles
    found = diff(one, other, table, "test")
    assert found["settings"]["train.epochs"] == [1, 12]
    assert found["settings"]["inputs.remark.kind"] == ["text", None]
    theirs = [b.evaluate(table)["targets"]["label"]["accuracy"] for b in bundles]
    rows = found["rows"]["label"]
    assert [rows["a"], rows["b"]] == pytest.approx(theirs)
    low, high = rows["interval"]
    assert low <= rows["difference"] <= high
    answers = [[row["label"] for row in b.predict(table)] for b in bundles]
    example = rows["examples"][0]
    assert answers[0][example["row"] - 1] == example["a"]
    assert answers[1][example["row"] - 1] == example["b"]
    assert found["metrics"]["test"]["label"]["accuracy"] == pytest.approx(theirs)


def test_the_command_says_it_and_writes_json(bundles, table):
    paths = [str(b.path) for b in bundles]
    said = CliRunner().invoke(app, ["diff", *paths, str(table)])
    assert said.exit_code == 0
    assert "train.epochs: 1 -> 12" in said.output
    assert "answers differ" in said.output
    written = CliRunner().invoke(app, ["diff", *paths, "--json"])
    assert json.loads(written.output)["bytes"][0] > 0


def test_bundles_without_a_target_in_common_are_not_compared(bundles, table, tmp_path):
    made = tiny.config(table, epochs=1)
    made["inputs"] = {"speed": made["inputs"]["speed"]}
    made["targets"] = {"amount": {"kind": "number"}}
    with pytest.raises(MmbmError, match="no target in common: label and amount"):
        diff(bundles[0], mmbm.train(made, run=tmp_path / "run"))
