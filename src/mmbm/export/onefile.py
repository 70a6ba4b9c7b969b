"""One ONNX graph from raw columns to answers, for users without mmbm."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mmbm.export.precision import lower, onnx, read
from mmbm.export.verify import ParityReport, check
from mmbm.inference.predictor import Predictor
from mmbm.inference.runners import GRAPHS, Named


def write(
    bundle: Predictor, file: Path, precision: str, bound: float, external: bool
) -> ParityReport:
    """Write the graph to a temporary place, check it, and move it; see `mmbm.export.export`."""
    model = merged(bundle, precision)
    document(model, bundle)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".export-") as folder:
        part, weights = Path(folder) / file.name, f"{file.name}.data"
        onnx().save(
            model, str(part), save_as_external_data=external, location=weights, size_threshold=256
        )
        moved = check(bundle, Whole(part).answers, bound)
        if external:
            shutil.copymode(part, part.with_name(weights))  # onnx lets only its owner read it
        for made in sorted(part.parent.iterdir(), reverse=True):  # the weights before the graph
            made.replace(file.parent / made.name)
    return moved


def merged(bundle: Predictor, precision: str) -> Any:
    """`encode` and then `answer`; inputs and outputs keep their names."""
    encode, answer = (
        lower(read(bundle.path / "graphs" / f"{graph}.onnx"), precision) for graph in GRAPHS
    )
    between = [(f"encode/{o.name}", f"answer/{o.name}") for o in encode.graph.output]
    compose = onnx().compose
    encode, answer = (
        compose.add_prefix(model, f"{graph}/") for graph, model in zip(GRAPHS, (encode, answer))
    )
    model = compose.merge_models(encode, answer, between)
    opsets = {o.domain: o.version for o in model.opset_import}  # each of both graphs
    del model.opset_import[:]
    model.opset_import.extend(onnx().helper.make_opsetid(*opset) for opset in opsets.items())
    names = {
        value.name: value.name.partition("/")[2]
        for value in [*model.graph.input, *model.graph.output]
    }
    for value in [*model.graph.input, *model.graph.output]:
        value.name = names[value.name]
    for node in model.graph.node:
        for ports in (node.input, node.output):
            ports[:] = [names.get(name, name) for name in ports]
    return model


def document(model: Any, bundle: Predictor) -> None:
    """Describe inputs and outputs in the file's metadata."""
    inputs, outputs = meanings(bundle)
    for value in model.graph.input:
        column, _, part = value.name.rpartition(".")
        if value.name in inputs:
            value.doc_string = inputs[value.name]["means"]
        elif part == "present":
            value.doc_string = f"false where the row has no {column}; its values are then ignored"
        else:
            value.doc_string = f"how many of {column}'s values are the row's; 1 where it is absent"
    for value in model.graph.output:
        value.doc_string = outputs[value.name]["means"]
    facts = {"bundle": bundle.version, "inputs": inputs, "outputs": outputs}
    for key, fact in facts.items():
        text = fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
        model.metadata_props.add(key=f"mmbm.{key}", value=text)
    model.doc_string = f"{', '.join(inputs)} -> {', '.join(outputs)}; see mmbm.inputs, mmbm.outputs"


def meanings(bundle: Predictor) -> tuple[dict[str, Any], dict[str, Any]]:
    config, columns = bundle.config, bundle.columns
    inputs = {
        name: {
            "kind": spec.kind,
            "means": spec.traits.input_means,
            "dtype": columns[name].storage.dtype,
            "shape": [
                "batch",
                *(["length"] if columns[name].storage.ragged else []),
                *columns[name].storage.shape,
            ],
            "spec": spec.model_dump(mode="json", exclude={"encoder", "augment"}),
            "state": columns[name].state,
        }
        for name, spec in config.inputs.items()
    }
    outputs = {
        name: {
            "kind": spec.kind,
            "means": spec.traits.output_means,
            "values": bundle.values(name),
        }
        for name, spec in config.targets.items()
    }
    return inputs, outputs


class Whole:
    """A session over the one graph."""

    def __init__(self, file: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )

    def answers(self, arrays: Named) -> Named:
        names = [value.name for value in self.session.get_outputs()]
        inputs = {value.name: arrays[value.name] for value in self.session.get_inputs()}
        return dict(zip(names, map(np.asarray, self.session.run(names, inputs))))
