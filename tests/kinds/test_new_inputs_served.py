"""Dates, vectors and series over HTTP: JSON, forms, the description and the playground."""

import csv
import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import mmbm

httpx = pytest.importorskip("httpx")
STEPS = [{"time": 0, "x": 1.5}, {"time": 2, "x": None}, {"time": 3, "x": -1}]
ROW = {"when": "2024-06-08T12:00", "embedding": [0.5, -1, 2], "log": STEPS}


def cells(i: int) -> list[str]:
    generator = np.random.default_rng(i)
    text = "time,x\n" + "\n".join(f"{t},{x:.2f}" for t, x in enumerate(generator.normal(size=5)))
    return [f"2024-01-{1 + i % 28:02d}", json.dumps(generator.normal(size=3).tolist()), text]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["when", "embedding", "log", "label"])
        writer.writerows([*cells(i), "ab"[i % 2]] for i in range(80))
    config = {
        "data": {"table": str(folder / "table.csv")},
        "inputs": {
            "when": "date",
            "embedding": {"kind": "vector", "group": "embedding"},
            "log": {"kind": "series", "encoder": {"kind": "rnn", "size": "tiny"}},
        },
        "targets": {"label": "category"},
        "members": ["network"],
        "train": {"epochs": 1, "threads": 1},
    }
    return mmbm.train(config, run=folder / "run")


@pytest.fixture(scope="module")
def url(bundle, tmp_path_factory):
    said = tmp_path_factory.mktemp("log") / "serve.txt"
    command = [sys.executable, "-m", "mmbm.cli", "serve", str(bundle.path), "--port", "0"]
    env = {**os.environ, "COLUMNS": "200"}
    with said.open("w") as file:
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=file)
    try:
        found = until(lambda: re.search(r"at (http://\S+)/predict", said.read_text()))
        until(lambda: answered(f"{found[1]}/health/ready"))
        yield found[1]
    finally:
        process.terminate()
        process.wait(30)


def answered(url):
    try:
        got = httpx.get(url, timeout=60)
    except httpx.TransportError:
        return None
    return got if got.status_code == 200 else None


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return value


def test_json_and_a_form_are_answered_as_in_python(url, bundle):
    (known,) = bundle.predict(ROW, probabilities=True)
    ask = f"{url}/predict?probabilities=true&explain=true"
    told = httpx.post(ask, json={"rows": [ROW]}).json()["answers"][0]
    assert told["label.p.a"] == pytest.approx(known["label.p.a"], abs=1e-5)
    assert {"label.attribution.table", "label.attribution.embedding", "label.attribution.log"} <= (
        told.keys()
    )
    form = {"when": ROW["when"], "embedding": json.dumps(ROW["embedding"])}
    files = {"log": ("log.csv", b"time,x\n0,1.5\n2,\n3,-1\n", "text/csv")}
    told = httpx.post(ask, data=form, files=files).json()["answer"]
    assert told["label.p.a"] == pytest.approx(known["label.p.a"], abs=1e-5)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ({"when": "soon"}, "not a supported date format"),
        ({"embedding": [1, 2]}, "has 2 numbers, and the others 3"),
        ({"log": [{"time": 0, "y": 1}]}, "has a channel 'y', which no train row had"),
        ({"log": "/etc/passwd"}, "neither base64 nor a data URI"),
        ({"log": ["/etc/passwd"]}, "neither base64 nor a data URI"),
    ],
)
def test_a_bad_cell_is_refused_by_a_sentence_and_no_path_is_opened(url, cell, reason):
    got = httpx.post(f"{url}/predict", json={"rows": [cell]})
    assert got.status_code in (200, 422)
    assert reason in got.text


def test_the_description_says_what_each_input_is_and_its_example_is_answered(url):
    described = httpx.get(f"{url}/openapi.json").json()
    text = json.dumps(described)
    assert "A date, as ISO 8601 has it" in text
    assert '"minItems": 3' in text
    assert "Channels: x" in text


def test_an_example_of_the_playground_fills_the_file_field(bundle):
    pytest.importorskip("gradio")
    from mmbm.serve.limits import Limits
    from mmbm.serve.playground.gate import Folder
    from mmbm.serve.playground.panel import as_field, cell_of

    folder, column = Folder(Limits()), bundle.columns["log"]
    for cell in (STEPS, "time,x\n0,1.5\n2,\n3,-1\n"):
        sent = cell_of(as_field(cell, column, folder, "run"), "text/csv", folder)
        np.testing.assert_array_equal(column.decode(sent), column.decode(STEPS))
    assert as_field(None, column, folder, "run") is None


def test_the_playground_has_a_field_for_each_of_them_and_shows_examples(url):
    pytest.importorskip("gradio")
    page = until(lambda: answered(f"{url}/playground/config"), 120).json()
    kinds = {c["props"].get("label"): c["type"] for c in page["components"]}
    assert (kinds["when"], kinds["embedding"], kinds["log"]) == ("textbox", "textbox", "file")
    assert "time,x" in json.dumps(page)
