"""What an export promises: the answers of the bundle it was made from, or nothing at all."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from servers import serving

import mmbm
from mmbm.bundle.manifest import MANIFEST
from mmbm.errors import BundleError, MissingExtra, MmbmError
from mmbm.export.verify import TOLERANCES, batches, golden
from mmbm.inference.predict import batched
from mmbm.inference.runners import difference, flatten, units
from mmbm.nn import graph

VARIANTS = [
    ("openvino", "float32"),
    ("openvino", "float16"),
    ("onnx", "float16"),
    ("onnx", "int8"),
]


@pytest.fixture(scope="module")
def exported(bundle_path, tmp_path_factory):
    """Every format and precision that needs no environment of its own, made once."""
    folder, bundle = tmp_path_factory.mktemp("exported"), mmbm.load(bundle_path)
    return {
        (to, precision): bundle.export(to, folder / f"{to}-{precision}", precision=precision)
        for to, precision in VARIANTS
    }


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_an_exported_bundle_answers_as_its_origin_whatever_the_batch(variant, exported, bundle):
    """Alone and together, short and long, whole and with parts absent: the shared battery."""
    made = mmbm.load(exported[variant].path, verify=True)
    bound, labels = TOLERANCES[variant[1]], []
    unit = units(bundle.config, bundle.columns)
    for label, rows in batches(bundle, golden(bundle)):
        arrays = flatten(batched(bundle, rows), bundle.columns)
        ours = bundle.runner.run("answer", bundle.runner.run("encode", arrays))
        theirs = made.runner.run("answer", made.runner.run("encode", arrays))
        assert ours.keys() == theirs.keys()
        for name, answer in ours.items():
            assert difference(unit[name], answer, theirs[name]) <= bound, (label, name)
        labels.append(label)
    assert len(labels) == len(set(labels)) + 3  # four golden rows alone, everything else once


def test_weights_too_large_for_a_graph_are_in_a_file_beside_it(table, tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "LARGE", 10_000)
    config = tiny.config(table, epochs=1)
    config["inputs"] = {name: config["inputs"][name] for name in ("photo", "remark")}
    trained = mmbm.train(config, run=tmp_path / "run")
    bundle = mmbm.load(shutil.copytree(trained.path, tmp_path / "elsewhere"), verify=True)
    weights = bundle.path / "graphs" / "encode.onnx.data"
    assert weights.stat().st_size > 10_000
    for to, precision in (v for v in VARIANTS if v != ("onnx", "float16")):
        made = bundle.export(to, tmp_path / f"{to}-{precision}", precision=precision)
        assert mmbm.load(made.path, verify=True).verify() == bundle.verify()
    beside = tmp_path / "onnx-int8" / "graphs" / "encode.onnx.data"
    assert 0 < beside.stat().st_size < 0.8 * weights.stat().st_size
    with pytest.raises(BundleError, match=r"too large for the converter to float16.*int8"):
        bundle.export("onnx", tmp_path / "none", precision="float16")
    assert not (tmp_path / "none").exists()
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(BundleError, match=r"encode\.onnx\.data is not the file"):
        mmbm.load(bundle.path)


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_what_moved_is_measured_and_kept(variant, exported):
    path, report = exported[variant]
    kept = mmbm.load(path).metrics["export"]
    assert kept == json.loads(json.dumps(report))
    assert set(kept["moved"]) == {"label", "amount", "tags"}
    assert max(kept["moved"].values()) <= kept["tolerance"] == TOLERANCES[variant[1]]
    if variant[1] != "float32":
        assert max(kept["moved"].values()) > 1e-6  # it is another precision
    card = (path / "README.md").read_text(encoding="utf-8")
    assert "label: moved by" in card


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_every_verb_works_with_an_exported_bundle(variant, exported, bundle, table):
    made = mmbm.load(exported[variant].path)
    ours = bundle.predict(table, probabilities=True, explain=True)
    theirs = made.predict(table, probabilities=True, explain=True)
    assert [row.keys() for row in ours] == [row.keys() for row in theirs]
    gaps = [abs(a["label.p.blue"] - b["label.p.blue"]) for a, b in zip(ours, theirs)]
    assert max(gaps) <= 2 * TOLERANCES[variant[1]]
    assert made.evaluate(table)["rows"] == 12


def test_files_in_a_lower_precision_are_smaller(exported, bundle):
    def size(path):
        return sum(file.stat().st_size for file in (path / "graphs").iterdir())

    assert size(exported["onnx", "int8"].path) < 0.8 * size(bundle.path)
    assert size(exported["onnx", "float16"].path) < 0.9 * size(bundle.path)
    assert size(exported["openvino", "float16"].path) < size(exported["openvino", "float32"].path)


def test_int8_weights_never_overflow_on_a_processor_that_adds_in_16_bits(exported):
    """255 · 64 + 255 · 64 < 2¹⁵: older processors add two products before they widen them."""
    onnx = pytest.importorskip("onnx")
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for file in (exported["onnx", "int8"].path / "graphs").glob("*.onnx")
        for tensor in onnx.load(str(file)).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1
    ]
    assert weights
    assert max(abs(w.astype(int)).max() for w in weights) <= 64


def test_metrics_are_measured_before_and_after_on_a_table(bundle, table, tmp_path):
    made = bundle.export("onnx", tmp_path / "int8", precision="int8", table=table)
    changes = made.report["table"]["targets"]
    before, after = changes["amount"]["rmse"]
    assert before != after
    assert before == pytest.approx(bundle.metrics["test"]["targets"]["amount"]["rmse"])
    again = mmbm.load(made.path)
    assert again.metrics["test"]["targets"]["amount"]["rmse"] == after
    assert again.metrics["before_export"]["test"]["targets"]["amount"]["rmse"] == before


def test_metrics_of_another_precision_are_not_shown_as_its_own(exported):
    made = mmbm.load(exported["onnx", "int8"].path)
    with pytest.raises(MmbmError, match="no metrics of a test split; give a table"):
        made.evaluate()
    same = mmbm.load(exported["openvino", "float32"].path)
    assert same.evaluate()["rows"] == 12


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["folder", "model.onnx"])
def test_an_export_whose_answers_move_too_far_is_refused_and_leaves_nothing(bundle, tmp_path, name):
    with pytest.raises(BundleError, match=r"moves 'label' by \S+, more than its tolerance 0"):
        bundle.export("onnx", tmp_path / name, precision="int8", tolerance=0)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_export_leaves_the_earlier_one(bundle, tmp_path):
    first = bundle.export("openvino", tmp_path / "made").path
    before = (first / MANIFEST).read_bytes()
    with pytest.raises(BundleError, match="tolerance"):
        bundle.export("openvino", first, precision="float16", tolerance=0)
    assert (first / MANIFEST).read_bytes() == before
    mmbm.load(first, verify=True)


def test_unknown_formats_and_precisions_are_named(bundle, tmp_path):
    with pytest.raises(MmbmError, match=r"no format 'tflite'; formats: onnx, openvino, litert"):
        bundle.export("tflite", tmp_path / "out")
    with pytest.raises(MmbmError, match=r"openvino is exported in float32 or float16, not in 'in"):
        bundle.export("openvino", tmp_path / "out", precision="int8")
    with pytest.raises(MmbmError, match="has these graphs already"):
        bundle.export("onnx", tmp_path / "out")
    with pytest.raises(MmbmError, match="is a file for --to onnx"):
        bundle.export("openvino", tmp_path / "out.onnx")


def test_an_exported_bundle_is_not_exported_again(exported):
    with pytest.raises(BundleError, match="export the bundle it was made from"):
        mmbm.load(exported["onnx", "int8"].path).export("openvino")


def test_training_does_not_go_on_from_an_exported_bundle(exported):
    from mmbm.inference.restore import restore

    with pytest.raises(BundleError, match="has no weights"):
        restore(mmbm.load(exported["onnx", "int8"].path).bundle)


def test_someone_elses_folder_is_left_as_it_is(bundle, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(MmbmError, match="not empty and no bundle"):
        bundle.export("openvino", tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(MmbmError, match="the bundle itself"):
        bundle.export("openvino", bundle.path)


def test_without_golden_rows_nothing_is_exported(bundle_path, tmp_path):
    copy = shutil.copytree(bundle_path, tmp_path / "bundle")
    (copy / "golden" / "rows.jsonl").write_text("")
    rehash(copy)
    with pytest.raises(BundleError, match="no golden rows, so an export of it can't be verified"):
        mmbm.load(copy).export("openvino", tmp_path / "out")


def rehash(path):
    from mmbm.bundle.manifest import sha256

    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"] = {name: sha256(path / name) for name in manifest["files"]}
    (path / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize("file", ["graphs/encode.bin", "graphs/answer.xml", "golden/rows.jsonl"])
def test_a_tampered_file_is_named(exported, tmp_path, file):
    copy = shutil.copytree(exported["openvino", "float32"].path, tmp_path / "bundle")
    raw = bytearray((copy / file).read_bytes())
    raw[len(raw) // 2] ^= 1
    (copy / file).write_bytes(raw)
    with pytest.raises(BundleError, match=file):
        mmbm.load(copy)


def test_a_manifest_can_name_no_class_as_its_runner(exported, tmp_path):
    copy = shutil.copytree(exported["openvino", "float32"].path, tmp_path / "bundle")
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**manifest, "runner": "os:system"}))
    with pytest.raises(BundleError, match="there is no runner 'os:system'"):
        mmbm.load(copy)


# ── runners ──────────────────────────────────────────────────────────────────────────────────────


def test_openvino_runs_an_ordinary_bundle(bundle_path, bundle, table):
    other = mmbm.load(bundle_path, runner="openvino", verify=True, threads=1)
    ours, theirs = (b.predict(table, probabilities=True) for b in (bundle, other))
    for a, b in zip(ours, theirs):
        assert a["label.p.red"] == pytest.approx(b["label.p.red"], abs=1e-5)
        assert a["amount"] == pytest.approx(b["amount"], abs=1e-3)


def test_a_runner_that_cannot_run_the_graphs_says_what_can(bundle_path, exported):
    with pytest.raises(BundleError, match=r"holds graphs for onnx.*mmbm export .* --to litert"):
        mmbm.load(bundle_path, runner="litert")
    with pytest.raises(BundleError, match=r"holds graphs for openvino, which onnx can't run"):
        mmbm.load(exported["openvino", "float32"].path, runner="onnx")
    with pytest.raises(BundleError, match="there is no runner 'tensorrt'; runners: onnx, openvino"):
        mmbm.load(bundle_path, runner="tensorrt")


def test_a_missing_runtime_says_how_to_get_it(bundle_path, exported, monkeypatch, tmp_path):
    for name in ("openvino", "litert_torch", "onnx"):
        monkeypatch.setitem(sys.modules, name, None)  # as Python marks what can't be imported
    bundle = mmbm.load(bundle_path)
    for to, precision, extra in (
        ("openvino", "float32", "openvino"),
        ("litert", "float32", "litert"),
        ("onnx", "int8", "export"),
    ):
        with pytest.raises(MissingExtra, match=rf'pip install "mmbm\[{extra}\]"'):
            bundle.export(to, tmp_path / "out", precision=precision)
    with pytest.raises(MissingExtra, match=r'pip install "mmbm\[openvino\]"'):
        mmbm.load(exported["openvino", "float32"].path, verify=True)
    assert list(tmp_path.iterdir()) == []


def test_calls_from_several_threads_get_their_own_answers(bundle_path, bundle):
    from concurrent.futures import ThreadPoolExecutor

    other = mmbm.load(bundle_path, runner="openvino")
    rows = [{"speed": float(speed)} for speed in range(24)]
    expected = [bundle.predict(row)[0]["amount"] for row in rows]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda row: other.predict(row)[0]["amount"], rows))
    assert answers == pytest.approx(expected, abs=1e-3)


def test_exported_bundles_run_without_torch(exported, table):
    for made in exported.values():
        code = f"""
import sys, mmbm
rows = mmbm.load({str(made.path)!r}, verify=True).predict({str(table)!r})
assert len(rows) == 96 and all(row["error"] is None for row in rows)
assert "torch" not in sys.modules
"""
        subprocess.run([sys.executable, "-c", code], check=True)


def test_exporting_to_onnx_and_openvino_needs_no_torch(bundle_path, tmp_path):
    code = f"""
import sys, mmbm
bundle = mmbm.load({str(bundle_path)!r})
bundle.export("openvino", {str(tmp_path / "openvino")!r})
bundle.export("onnx", {str(tmp_path / "model.onnx")!r}, precision="int8")
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("exported_to", ["openvino", None])
def test_a_server_runs_on_the_runtime_that_is_asked_for(
    exported_to, exported, bundle_path, bundle, tmp_path
):
    row = {"remark": "it looks red", "speed": 20}
    path = exported["openvino", "float32"].path if exported_to else bundle_path
    with serving(tmp_path, path, *([] if exported_to else ["--runner", "openvino"])) as server:
        answer = server.post("/predict", row).json()["answer"]
        assert "openvino" in Path(f"/proc/{server.process.pid}/maps").read_text()
    (expected,) = bundle.predict(row)
    assert answer["label.confidence"] == pytest.approx(expected["label.confidence"], abs=1e-5)
