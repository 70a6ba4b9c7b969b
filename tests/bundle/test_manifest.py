"""A bundle that somebody else made: which of its files are read, and that nothing else is."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import mmbm
from mmbm.bundle.manifest import MANIFEST, Files, sha256
from mmbm.errors import BundleError, MmbmError


@pytest.fixture
def copy(bundle_path, tmp_path):
    return shutil.copytree(bundle_path, tmp_path / "bundle")


def seal(path: Path, **more) -> None:
    """A manifest that fits the files, as one who means harm would write it."""
    manifest = json.loads((path / MANIFEST).read_text())
    files = [
        f for f in path.rglob("*") if f.is_file() and not f.is_symlink() and f.name != MANIFEST
    ]
    manifest["files"] = {f.relative_to(path).as_posix(): sha256(f) for f in files} | more
    (path / MANIFEST).write_text(json.dumps(manifest))


def refused(path: Path, match: str) -> None:
    with pytest.raises(BundleError, match=match) as found:
        mmbm.load(path, verify=True)
    assert "root:" not in str(found.value)


@pytest.mark.parametrize(
    "name",
    [
        "../../../../../../etc/passwd", "/etc/passwd", "..", ".", "", "a/../../b", "a\\..\\b",
        "C:x", "/dev/zero", "x\x00y", "rows.jsonl/", 3, None, ["x"], "nowhere.png",
    ],
)  # fmt: skip
def test_a_golden_row_names_only_files_of_its_own_folder(copy, name):
    rows = [json.loads(x) for x in (copy / "golden/rows.jsonl").read_text().splitlines()]
    rows[0]["photo"] = {"file": name}
    (copy / "golden/rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    seal(copy)
    refused(copy, "golden row names|not among the files")


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "a//b", "./a", "a/.", "graphs\\x", "c:/x", "", "a\nb", "x" * 300],
)
def test_a_manifest_lists_only_plain_relative_names(copy, name):
    seal(copy, **{name: "0" * 64})
    refused(copy, "lists")


@pytest.mark.parametrize("name", ["golden/0-0.png", "config.yaml", "graphs/encode.onnx", "golden"])
def test_links_are_refused_where_they_would_be_followed(copy, tmp_path, name):
    moved = tmp_path / "outside"
    shutil.move(copy / name, moved)
    (copy / name).symlink_to(moved)
    refused(copy, "is a link")


def test_a_link_that_the_manifest_does_not_list_is_refused_beside_graphs(copy):
    (copy / "graphs/answer.xml").symlink_to("/etc/passwd")
    refused(copy, r"graphs/answer\.xml is not in the manifest")


@pytest.mark.parametrize("name", ["graphs/answer.xml", "graphs/encode.onnx.data", "golden/9.png"])
def test_a_file_that_is_not_listed_is_refused_where_it_could_be_used(copy, name):
    (copy / name).write_bytes(b"x")
    refused(copy, f"{name} is not in the manifest")


def test_any_other_file_is_ignored_and_named(copy, capsys):
    (copy / "notes.txt").write_text("mine")
    (copy / "link").symlink_to("/etc/passwd")
    assert mmbm.load(copy, verify=True).predict({"remark": "red"})
    assert "ignored" in (said := capsys.readouterr().err)
    assert "notes.txt" in said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("name", ["config.yaml", "weights.safetensors", "golden/0-0.png", MANIFEST])
def test_a_pipe_is_refused_before_it_is_opened(copy, name):
    (copy / name).unlink()
    os.mkfifo(copy / name)
    refused(copy, "not a regular file")


@pytest.mark.parametrize("name", ["config.yaml", MANIFEST, "columns.json", "golden/rows.jsonl"])
def test_a_file_of_endless_zeros_is_refused_by_its_size(copy, name):
    with (copy / name).open("wb") as file:
        file.truncate(1 << 40)  # takes no room
    refused(copy, "bytes, more than")


def test_an_alias_in_the_config_is_refused_since_it_may_stand_for_billions(copy):
    lines = ["a: &a [x, x]"] + [
        f"{n}: &{n} [{', '.join(['*' + p] * 9)}]" for p, n in zip("abcdefg", "bcdefgh")
    ]
    (copy / "config.yaml").write_text("\n".join(lines))
    seal(copy)
    refused(copy, "alias")


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("photo", {"encoder": {"kind": "pretrained", "model": "hf/evil/model"}}),
        ("photo", {"encoder": {"kind": "pretrained", "model": "/etc"}}),
        ("remark", {"tokenizer": "/etc/passwd"}),
        ("photo", {"encoder": {"kind": "keras", "model": "/etc/x.keras"}}),
    ],
)
def test_loading_a_bundle_asks_neither_the_hub_nor_files_of_elsewhere(copy, column, change):
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["inputs"][column] |= change
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    seal(copy)
    code = (
        "import socket, sys, mmbm\n"
        "def no(*args, **options): raise SystemExit('the network was asked')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = no\n"
        f"try: mmbm.load({str(copy)!r})\n"
        "except mmbm.errors.BundleError as error: print(error)\n"
        "assert 'huggingface_hub' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "not part of the bundle" in done.stdout


def test_a_package_and_an_export_hold_only_files_of_the_bundle(copy, tmp_path):
    from mmbm.export.package import package

    secret = tmp_path / "secret"
    secret.write_text("of the host")
    (copy / "notes.txt").symlink_to(secret)
    bundle = mmbm.load(copy)
    wheel = tmp_path / "mmbm-1-py3-none-any.whl"
    wheel.write_bytes(b"")
    package(bundle, tmp_path / "packed", "m", wheel)
    bundle.export("openvino", tmp_path / "exported")
    for folder in ("packed/bundle", "exported"):
        assert not (tmp_path / folder / "notes.txt").exists()
        assert mmbm.load(tmp_path / folder, verify=True)


VALUES = [
    None, -1, 0, 1e30, float("nan"), "x", [], {}, [[]], {"a": 1}, True, "\ud800", "../x", 10**12,
]  # fmt: skip
FILES = [
    "config.yaml", "columns.json", "metrics.json", "reference.json", "golden/rows.jsonl",
    "golden/answers.json", MANIFEST, "weights.safetensors", "graphs/encode.onnx",
    "graphs/answer.onnx",
]  # fmt: skip


def damage(path: Path, name: str, chance: random.Random) -> None:
    """Some value of a JSON or YAML file becomes another one; of another file, some bytes."""
    file = path / name
    if file.suffix in (".onnx", ".safetensors"):
        raw = bytearray(file.read_bytes())
        for _ in range(chance.choice([1, 5, 50])):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        file.write_bytes(raw[: chance.randrange(len(raw))] if chance.random() < 0.3 else raw)
        return
    text, lines = file.read_text(), name.endswith(".jsonl")
    read = yaml.safe_load if name.endswith(".yaml") else json.loads
    whole = [json.loads(x) for x in text.splitlines()] if lines else read(text)
    *way, last = chance.choice([way for way in ways(whole) if way])
    inside = whole
    for part in way:
        inside = inside[part]
    if chance.random() < 0.1:
        del inside[last]
    else:
        inside[last] = chance.choice(VALUES)
    if name.endswith(".yaml"):
        file.write_text(yaml.safe_dump(whole))
    else:
        file.write_text("\n".join(map(json.dumps, whole)) if lines else json.dumps(whole))


def ways(value, way=()):
    yield way
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from ways(value[key], (*way, key))


def use(path: Path) -> None:
    """All that is done with a bundle."""
    from concurrent.futures import ThreadPoolExecutor

    from mmbm.bundle import foreign
    from mmbm.serve import openapi
    from mmbm.serve.limits import Limits
    from mmbm.serve.metrics import Metrics
    from mmbm.serve.model_server import ModelServer, open_bundle

    bundle = mmbm.load(path, verify=True)
    bundle.evaluate()
    bundle.predict([{"remark": "red"}, {}], probabilities=True, explain=True)
    served = open_bundle(path, Limits(), 1)
    with foreign(path):
        replica = ModelServer("x", served, Limits(), Metrics(), ThreadPoolExecutor(1))
    json.dumps(openapi.document({"x": replica}), allow_nan=False)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_bundle_whose_hashes_fit_is_refused_by_a_sentence_or_works(
    bundle_path, tmp_path, name
):
    chance = random.Random(name)
    for i in range(6):
        copy = shutil.copytree(bundle_path, tmp_path / str(i))
        damage(copy, name, chance)
        if name != MANIFEST:
            seal(copy)
        with contextlib.suppress(MmbmError):  # any other error fails here
            use(copy)
        shutil.rmtree(copy)


def test_golden_rows_and_their_answers_are_as_many(copy):
    (copy / "golden/rows.jsonl").write_text("")
    seal(copy)
    refused(copy, "differ in number")


def test_graphs_that_no_disk_holds_are_not_read_through(copy):
    os.truncate(copy / "graphs/answer.onnx", 1 << 40)
    refused(copy, "bytes, more than")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=20,
)


@given(
    st.dictionaries(
        st.sampled_from(["format", "files", "tolerance", "runner", "mmbm"]),
        ANYTHING | st.dictionaries(st.text(max_size=12), ANYTHING) | st.just(1),
    )
)
def test_a_manifest_is_read_or_a_sentence(tmp_path_factory, manifest):
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.mkdir(exist_ok=True)
    (path / MANIFEST).write_text(json.dumps(manifest))
    with contextlib.suppress(MmbmError):
        assert all(isinstance(name, str) for name in Files(path))
