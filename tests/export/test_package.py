"""What `mmbm package` writes: linted, and the Dockerfile's steps done without an engine."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import httpx
import pytest
import yaml
from servers import ready, until

import mmbm
from mmbm.errors import MmbmError
from mmbm.export.package import constraints, package

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def folder(bundle_path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "service"
    package(mmbm.load(bundle_path), folder, "traffic")
    return folder


def steps(folder: Path) -> dict[str, list[list[str]]]:
    """The words of each instruction of the Dockerfile."""
    text = (folder / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and line[0] != "#"]
    found: dict[str, list[list[str]]] = {}
    for name, rest in lines:
        command = rest[rest.index("[") :] if "CMD" in (name, *rest.split()) else None
        found.setdefault(name, []).append(json.loads(command) if command else shlex.split(rest))
    return found


# ── linted ───────────────────────────────────────────────────────────────────────────────────────


def test_hadolint_finds_nothing_in_the_dockerfile(folder):
    done = subprocess.run([BIN / "hadolint", folder / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_is_one(folder):
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*command, folder / "compose.yaml"], check=True)


def test_the_manifests_are_what_kubernetes_knows(folder):
    command = [BIN / "kubernetes-validate", "--strict", folder / "kubernetes.yaml"]
    subprocess.run(command, check=True)


# ── promises ─────────────────────────────────────────────────────────────────────────────────────


def test_the_container_is_slim_not_root_and_has_a_health_check(folder):
    words = steps(folder)
    assert words["FROM"][0][0].endswith("-slim")
    assert words["USER"] == [["10001:10001"]]
    assert "/health/ready" in words["HEALTHCHECK"][0][-1]
    assert words["RUN"][0][-1].endswith("[serve]")


def test_the_pods_have_probes_limits_and_no_rights(folder):
    deployment, service, scaler, budget = yaml.safe_load_all(
        (folder / "kubernetes.yaml").read_text(encoding="utf-8")
    )
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness")}
    assert paths == {"startup": "/health/ready", "liveness": "/health/live"}
    assert set(container["resources"]) == {"requests", "limits"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"] == "traffic"
    assert scaler["spec"]["minReplicas"] >= 2
    assert "replicas" not in deployment["spec"]  # or every `apply` would undo the scaler
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (service["spec"]["selector"], budget["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()


def test_the_cores_of_a_batch_are_the_limit_of_the_pod(folder):
    """A process sees all cores of its node, whatever its limit is."""
    (command,) = steps(folder)["CMD"]
    threads = command[command.index("--threads") + 1]
    deployment = next(yaml.safe_load_all((folder / "kubernetes.yaml").read_text("utf-8")))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    compose = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))
    limits = compose["services"]["traffic"]["deploy"]["resources"]["limits"]
    assert container["resources"]["limits"]["cpu"] == limits["cpus"] == threads


def test_any_user_can_read_the_bundle_and_it_is_whole(folder):
    for path in (folder / "bundle").rglob("*"):
        assert path.stat().st_mode & 0o444 == 0o444, path
    assert (
        mmbm.load(folder / "bundle", verify=True).version
        == (
            yaml.safe_load((folder / "compose.yaml").read_text("utf-8"))["services"]["traffic"][
                "image"
            ]
        ).partition(":")[2]
    )


def test_the_wheel_is_that_of_the_source_tree(folder):
    (wheel,) = folder.glob("mmbm-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        ours = (Path(mmbm.__file__).parent / "bundle/__init__.py").read_bytes()
        assert packed.read("mmbm/bundle/__init__.py") == ours
        assert "mmbm/export/package/Dockerfile" in packed.namelist()


def test_versions_are_those_of_here_and_only_what_serving_needs(folder):
    lines = (folder / "constraints.txt").read_text(encoding="utf-8").split()
    versions = dict(line.split("==") for line in lines)
    for name in ("numpy", "onnxruntime", "starlette", "pydantic-core"):
        assert versions[name] == metadata.version(name)
    assert not {"torch", "gradio", "openvino", "mmbm"} & set(versions)
    assert any(line.startswith("openvino==") for line in constraints(["serve", "openvino"]))


def test_a_second_package_takes_the_place_of_the_first(bundle_path, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "bundle" / "left-over.txt").write_text("of an older bundle")
    (wheel,) = folder.glob("mmbm-*.whl")
    package(mmbm.load(bundle_path), copy, "other", wheel)
    assert not (copy / "bundle" / "left-over.txt").exists()
    assert len(list(copy.glob("*.whl"))) == 1
    assert "other=bundle" in (copy / "Dockerfile").read_text(encoding="utf-8")


def test_what_cannot_be_packaged_is_a_sentence(bundle, tmp_path):
    with pytest.raises(MmbmError, match="can't name an image"):
        package(bundle, tmp_path / "out", "Straßenverkehr")
    with pytest.raises(MmbmError, match="is no wheel"):
        package(bundle, tmp_path / "out", "a", tmp_path / "mmbm.zip")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(MmbmError, match="not empty and no package"):
        package(bundle, tmp_path)


# ── done ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def image(folder, tmp_path_factory) -> tuple[Path, Path]:
    """What building the image would leave: the folder it works in and the Python beside it."""
    image = tmp_path_factory.mktemp("image")
    work, venv = image / "app", image / "venv"
    work.mkdir()
    for *sources, _ in steps(folder)["COPY"]:
        for source in sources:
            copy = shutil.copytree if (folder / source).is_dir() else shutil.copy
            copy(folder / source, work / Path(source).name)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    for words in steps(folder)["RUN"]:
        subprocess.run([venv / "bin" / words[0], *words[1:], "-q"], cwd=work, check=True)
    return work, venv


@contextlib.contextmanager
def running(image, folder):
    """The image's CMD, on a free port of this machine instead of 8000 of the container."""
    work, venv = image
    (command,) = steps(folder)["CMD"]
    assert command[command.index("--port") + 1] == "8000"
    command = [{"0.0.0.0": "127.0.0.1", "8000": "0"}.get(word, word) for word in command]
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env |= {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": "/tmp"}
    said = work / "stderr.txt"
    with said.open("w") as err:
        process = subprocess.Popen(
            [venv / "bin" / command[0], *command[1:]], cwd=work, env=env, stderr=err,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        found = until(lambda: re.search(r"at (http://\S+)/predict", said.read_text()), 120)
        until(lambda: ready(found[1]), 60)
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


@pytest.mark.slow
def test_the_steps_of_the_dockerfile_lead_to_a_service_that_answers(image, folder, bundle, table):
    with running(image, folder) as url:
        row = {"remark": "it looks red", "speed": 20}
        answer = httpx.post(f"{url}/predict", json=row, timeout=60).json()
        assert answer["answer"]["label"] == bundle.predict(row)[0]["label"]
        health = [
            word.replace("http://127.0.0.1:8000", url) for word in steps(folder)["HEALTHCHECK"][0]
        ]
        subprocess.run([image[1] / "bin" / health[0], *health[1:]], check=True)
        with (table.parent / "media" / "0.wav").open("rb") as sound:
            files = {"speech": sound}
            assert httpx.post(f"{url}/predict", files=files, timeout=60).status_code == 200


@pytest.mark.slow
def test_what_may_be_left_out_may_be_left_out(image, folder, bundle, table):
    """As bench/size.py says: WAV is still heard without FFmpeg, and nothing else needs the rest."""
    _, venv = image
    spare = ["av", "hf-xet", "uvloop"]
    subprocess.run([venv / "bin" / "pip", "uninstall", "-q", "-y", *spare], check=True)
    with running(image, folder) as url, (table.parent / "media" / "0.wav").open("rb") as sound:
        answer = httpx.post(f"{url}/predict", files={"speech": sound}, timeout=60).json()["answer"]
        expected = bundle.predict({"speech": str(table.parent / "media" / "0.wav")})[0]
        assert answer["label.confidence"] == pytest.approx(expected["label.confidence"], abs=1e-5)
