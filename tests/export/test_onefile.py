"""One ONNX file for both graphs answers as the bundle."""

import json

import numpy as np
import onnx
import pytest

from mmbm.export.onefile import Whole
from mmbm.export.verify import TOLERANCES, golden
from mmbm.inference.predict import batched
from mmbm.inference.runners import difference, flatten, units


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
@pytest.mark.parametrize("external", [False, True])
def test_one_file_answers_as_the_bundle(bundle, tmp_path, precision, external):
    path, report = bundle.export(
        "onnx", tmp_path / "model.onnx", precision=precision, external=external
    )
    names = ["model.onnx", "model.onnx.data"] if external else ["model.onnx"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    onnx.checker.check_model(str(path), full_check=True)
    arrays = flatten(batched(bundle, golden(bundle)), bundle.columns)
    answers, (_, expected) = Whole(path).answers(arrays), bundle.bundle.golden()
    for name, unit in units(bundle.config, bundle.columns).items():
        assert difference(unit, answers[name], expected[name]) <= TOLERANCES[precision]
    assert report["precision"] == precision


def test_one_file_says_what_goes_in_and_what_comes_out(bundle, tmp_path):
    """With nothing but the file and its metadata: a stranger asks about a sentence."""
    import onnxruntime
    from tokenizers import Tokenizer

    path = bundle.export("onnx", tmp_path / "model.onnx").path
    session = onnxruntime.InferenceSession(str(path))
    facts = session.get_modelmeta().custom_metadata_map
    inputs, outputs = json.loads(facts["mmbm.inputs"]), json.loads(facts["mmbm.outputs"])
    tokenizer = Tokenizer.from_str(inputs["remark"]["state"]["tokenizer"])
    ids = np.array([tokenizer.encode("it looks red").ids], np.int32)
    feed = {}
    for name, given in inputs.items():
        shape = [1 if size in ("batch", "length") else size for size in given["shape"]]
        feed[name] = np.zeros(shape, given["dtype"])
        feed[f"{name}.present"] = np.array([False])
        if "length" in given["shape"]:
            feed[f"{name}.lengths"] = np.array([1])
    feed |= {"remark": ids, "remark.lengths": np.array([ids.shape[1]])}
    feed["remark.present"] = np.array([True])
    (probabilities,) = session.run(["label"], feed)
    (expected,) = bundle.predict({"remark": "it looks red"}, probabilities=True)
    for value, p in zip(outputs["label"]["values"], probabilities[0]):
        assert p == pytest.approx(expected[f"label.p.{value}"], abs=1e-5)
