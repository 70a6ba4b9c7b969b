"""A kind, an encoder and a fusion of another package, with no line changed in mmbm."""

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS / "plugins" / "point"


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    """The environment of a process where the package is installed."""
    folder = tmp_path_factory.mktemp("installed")
    built = tmp_path_factory.mktemp("source") / "point"
    subprocess.run(["cp", "-r", PACKAGE, built], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--target", str(folder), str(built)], check=True
    )
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "200"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A table of points and remarks, which of them lie in the ring."""
    folder = tmp_path_factory.mktemp("ring")
    generator = np.random.default_rng(0)
    with (folder / "ring.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["place", "remark", "inside"])
        for i in range(240):
            x, y = generator.uniform(-2, 2, 2)
            inside = x + y > 0
            remark = "it is said to be " + generator.choice(["far away", "near by", "somewhere"])
            writer.writerow([f"{x:.3f}, {y:.3f}" if i % 20 else "", f"{remark} {i}",
                             "yes" if inside else "no"])  # fmt: skip
    return folder


def mmbm(*args, env, cwd):
    done = subprocess.run(
        [sys.executable, "-m", "mmbm.cli", *args], env=env, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run(code, env, cwd):
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def trained(place, env):
    mmbm("init", "ring.csv", "--target", "inside", "-o", "ring.yaml", env=env, cwd=place)
    mmbm(
        "train", "ring.yaml", "--run", "run", "--set", "fusion=largest",
        "--set", "inputs.remark={kind: text, encoder: average, vocab_size: 300}",
        "--set", "train.epochs=2", "--set", "train.threads=1", env=env, cwd=place,
    )  # fmt: skip
    return place / "run" / "bundle"


def test_its_parts_pass_the_shared_batteries(env):
    batteries = ["kinds/test_column.py", "kinds/test_frontend.py"]
    batteries += ["nn/test_encoders.py", "nn/test_fusion.py"]
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"]
    command += ["-k", "here or point or average or largest", *(TESTS / file for file in batteries)]
    alone = {name: value for name, value in env.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, env=alone, cwd=TESTS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    for part in ("[point]", "[average-tokens]", "[largest]"):
        assert part in done.stdout


def test_init_finds_the_kind_of_another_package(trained, place):
    assert "place: {kind: point}" in (place / "ring.yaml").read_text()


def test_it_is_trained_evaluated_and_explained(trained, place, env):
    code = """
import json, mmbm
bundle = mmbm.load("run/bundle", verify=True)
cells = [{"place": "1.5, 1.5"}, {"place": "-1.5, -1.5"}, {"place": "x"}, {}]
rows = bundle.predict(cells, explain=True)
print(json.dumps([rows, bundle.metrics["test"]]))
"""
    (inside, outside, bad, nothing), metrics = run(code, env, place)
    assert (inside["inside"], outside["inside"]) == ("yes", "no")
    assert "no point" in bad["error"]
    assert nothing["error"] is None
    assert "inside.attribution.table" in inside
    assert metrics["targets"]["inside"]["accuracy"] > 0.8


def test_its_graph_is_exported_with_what_its_numbers_mean(trained, place, env):
    mmbm("export", "run/bundle", "--to", "onnx", "-o", "ring.onnx", env=env, cwd=place)
    code = """
import json, onnxruntime
facts = onnxruntime.InferenceSession("ring.onnx").get_modelmeta().custom_metadata_map
print(facts["mmbm.inputs"])
"""
    assert run(code, env, place)["place"]["means"].startswith("the two coordinates")


def test_a_server_answers_it_and_the_playground_has_a_field_for_it(trained, place, env):
    httpx = pytest.importorskip("httpx")
    command = [sys.executable, "-m", "mmbm.cli", "serve", str(trained), "--port", "0"]
    with (place / "serve.txt").open("w") as said:
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=said)
    try:
        url = until(
            lambda: re.search(r"at (http://\S+)/predict", (place / "serve.txt").read_text())
        )[1]
        until(lambda: answered(httpx, f"{url}/health/ready"))
        told = httpx.post(f"{url}/predict", json={"rows": [{"place": "1.5, 1.5"}]}).json()
        assert told["answers"][0]["inside"] == "yes"
        assert "place" in httpx.get(f"{url}/openapi.json").text
        page = until(lambda: answered(httpx, f"{url}/playground/config"), 90)
        assert '"label":"place"' in page.text.replace(" ", "")
    finally:
        process.terminate()
        process.wait(30)


def answered(httpx, url):
    try:
        got = httpx.get(url, timeout=60)
    except httpx.TransportError:
        return None
    return got if got.status_code == 200 else None


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return value


def test_a_table_whose_bundle_needs_the_package_is_refused_without_it(trained, place):
    code = "import mmbm; mmbm.load('run/bundle')"
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True)
    assert "has no kind 'point'" in done.stderr
    assert "BundleError" in done.stderr or "ConfigError" in done.stderr


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("[mmbm.kinds]\nbox = nowhere:KIND", "The package broken names nowhere:KIND as 'box'"),
        ("[mmbm.kinds]\nbox = os:path", "The kind 'box' of a package is no mmbm.registry.Kind"),
        ("[mmbm.encoders]\ncnn = os:path", "have mmbm.encoders of the name 'cnn'"),
    ],
)
def test_a_package_that_does_not_fit_is_named_by_a_sentence(entries, message, place, tmp_path):
    facts = tmp_path / "broken-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(entries)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, "-m", "mmbm.cli", "check", "ring.yaml"],
        env=env, cwd=place, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
