"""A remote model measured on the rows of a bundle."""

import csv
import json

import numpy as np
import pytest
import spoken
import tiny
import told
from odd import run
from servers import serving

import mmbm
from mmbm import llm as remote
from mmbm.errors import MmbmError
from mmbm.llm import ChatClient


def test_a_remote_model_is_measured_on_the_same_rows_as_the_bundle(served, one, table, tmp_path):
    """The remote model is the bundle itself: the metrics are the same, the difference is none."""
    done = run(
        "evaluate", one.path, table, "--split", "all", "--compare", "one", "--base-url",
        f"{served.url}/v1", "--limit", 30, "--json", cwd=tmp_path,
    )  # fmt: skip
    report = json.loads(done.stdout)
    said = report["compare"]
    assert (said["rows"], said["unanswered"], said["target"]) == (30, 0, "label")
    assert said["metrics"] == said["bundle"]
    assert {"accuracy", "balanced_accuracy", "macro_f1", "interval"} == set(said["metrics"])
    assert said["difference"] == {"metric": "accuracy", "value": 0.0, "interval": [0.0, 0.0]}
    assert report["targets"] == one.evaluate(table, None)["targets"]
    shown = run(
        "evaluate", one.path, table, "--compare", "one", "--base-url", f"{served.url}/v1",
        cwd=tmp_path,
    ).stdout  # fmt: skip
    assert "accuracy: +0.0000 for the bundle" in shown


def test_an_answer_that_is_none_counts_as_wrong(odd, one, table, tmp_path):
    endpoint = ChatClient("odd", odd.url, cache=tmp_path / "kept.sqlite")
    said = remote.compare(one, table, None, endpoint, ask="Which?", limit=10)
    assert said["unanswered"] == 10  # it repeats the remark
    assert "is none of the classes" in said["why"]
    assert said["metrics"]["accuracy"] == 0
    assert said["difference"]["value"] == said["bundle"]["accuracy"]


@pytest.mark.slow
def test_numbers_and_transcripts_are_measured_too(odd, table, tmp_path):
    config = tiny.config(table, epochs=1)
    config["inputs"] = {"speed": {"kind": "number"}}
    config["targets"] = {"amount": {"kind": "number"}}
    bundle = mmbm.train(config, run=tmp_path / "run")
    said = remote.compare(bundle, table, None, ChatClient("odd", odd.url, cache=tmp_path / "k"))
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    errors = np.array([float(row["speed"]) - float(row["amount"]) for row in rows])
    assert said["rows"] == 96  # it repeats the speed
    assert said["metrics"]["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-4)
    speech = spoken.make(tmp_path / "spoken", 128)
    listener = mmbm.train(spoken.config(speech, epochs=25), run=tmp_path / "speech")
    with serving(tmp_path / "served", listener.path) as server:
        endpoint = ChatClient("speech", f"{server.url}/v1", cache=tmp_path / "k")
        said = remote.compare(listener, speech, None, endpoint)
    assert said["metrics"] == said["bundle"]
    assert said["metrics"]["wer"] < 0.9
    assert said["ask"].startswith("What is said?")


@pytest.mark.slow
def test_texts_are_measured_too(tmp_path):
    table = told.make(tmp_path / "told", 96)
    config = told.config(table, epochs=4)
    del config["inputs"]["number"]
    writer = mmbm.train(config, run=tmp_path / "run")
    with serving(tmp_path / "served", "--model", f"writer={writer.path}") as server:
        endpoint = ChatClient("writer", f"{server.url}/v1", cache=tmp_path / "k")
        said = remote.compare(writer, table, None, endpoint)
    assert (said["rows"], said["unanswered"]) == (96, 0)
    assert said["metrics"] == said["bundle"]
    assert said["metrics"]["chrf"] > 0


def test_what_cannot_be_compared_is_refused(odd, bundle, table, tmp_path):
    endpoint = ChatClient("odd", odd.url, cache=tmp_path / "k")
    with pytest.raises(MmbmError, match=r"compared on a category, .* has label, amount"):
        remote.compare(bundle, table, None, endpoint, target="tags")
    done = run("evaluate", bundle.path, "--compare", "odd", status=2)
    assert "--compare needs a TABLE and --base-url" in done.stderr
