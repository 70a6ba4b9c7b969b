"""What a bundle promises to whoever opens it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mmbm
from mmbm.bundle.manifest import FORMAT, MANIFEST
from mmbm.errors import BundleError


@pytest.fixture
def copy(bundle_path, tmp_path):
    return shutil.copytree(bundle_path, tmp_path / "bundle")


def test_golden_rows_are_answered_as_training_answered_them(bundle):
    assert bundle.verify() == 4


def test_a_moved_golden_answer_is_refused(copy):
    answers = json.loads((copy / "golden" / "answers.json").read_text())
    answers["label"][0][0] += 0.01
    (copy / "golden" / "answers.json").write_text(json.dumps(answers))
    rehash(copy)
    with pytest.raises(BundleError, match=r"golden rows are answered differently.*'label'"):
        mmbm.load(copy, verify=True)


def rehash(path):
    """Make the manifest fit again, as someone would who changes a file on purpose."""
    from mmbm.bundle.manifest import sha256

    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"] = {name: sha256(path / name) for name in manifest["files"]}
    (path / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "name", ["config.yaml", "columns.json", "weights.safetensors", "graphs/encode.onnx"]
)
def test_a_changed_file_is_named(copy, name):
    raw = bytearray((copy / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (copy / name).write_bytes(raw)
    with pytest.raises(BundleError, match=name):
        mmbm.load(copy)


def test_a_truncated_file_is_named(copy):
    file = copy / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(BundleError, match=r"weights\.safetensors is not the file that was written"):
        mmbm.load(copy)


@pytest.mark.parametrize("name", ["graphs/encode.onnx", "metrics.json", "columns.json"])
def test_a_file_that_was_damaged_before_its_hash_was_taken_is_a_sentence(copy, name):
    (copy / name).write_bytes(b"\x00 nonsense {")
    rehash(copy)
    with pytest.raises(BundleError, match=r"damaged|fit together|no graph that onnxruntime"):
        open_whole(copy)


def open_whole(path):
    bundle = mmbm.load(path, verify=True)
    return bundle.evaluate()


def test_a_missing_file_is_named(copy):
    (copy / "columns.json").unlink()
    with pytest.raises(BundleError, match=r"columns\.json is missing"):
        mmbm.load(copy)


def test_a_newer_format_is_refused_by_name(copy):
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**manifest, "format": FORMAT + 1, "mmbm": "9.0"}))
    with pytest.raises(BundleError, match=r"written by mmbm 9\.0.*pip install -U mmbm"):
        mmbm.load(copy)


def test_an_older_format_is_refused_by_name(copy):
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**manifest, "format": FORMAT - 1, "mmbm": "0.1"}))
    with pytest.raises(BundleError, match=r"format 1, written by mmbm 0\.1.*Train it again"):
        mmbm.load(copy)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}', '{"format": 1}', "not json"])
def test_a_damaged_manifest_is_a_sentence(copy, text):
    (copy / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match="damaged"):
        mmbm.load(copy)


def test_a_folder_that_is_no_bundle_is_said_so(tmp_path):
    with pytest.raises(BundleError, match="is not a bundle"):
        mmbm.load(tmp_path)


def test_there_is_no_pickle_and_no_absolute_path_in_a_bundle(bundle_path, table):
    for file in bundle_path.rglob("*"):
        if file.is_file():
            raw = file.read_bytes()
            assert raw[:2] != b"\x80\x04", file
            assert str(table.parent).encode() not in raw, file
            assert str(Path(mmbm.__file__).parent).encode() not in raw, file


def test_predicting_imports_no_torch(bundle_path, table):
    code = f"""
import sys, mmbm
rows = mmbm.load({str(bundle_path)!r}, verify=True).predict({str(table)!r}, explain=True)
assert len(rows) == 96 and all(row["error"] is None for row in rows)
heavy = {{"torch", "sklearn", "pandas"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
