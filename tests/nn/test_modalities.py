"""Many number columns: they go through the graph together, so that it doesn't grow with them."""

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

import mmbm
from mmbm.inference.restore import restore
from mmbm.inference.runners.torch import TorchRunner
from mmbm.nn.modalities import TableModality, numbers_together
from mmbm.nn.model import Model


def trained(count: int, folder, extra=()):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({f"f{i}": generator.random(40).round(3) for i in range(count)})
    frame["f1"] = np.where(frame.f1 > 0.8, np.nan, 5.0)  # few edges, and absent cells
    frame["label"] = ["a", "b"] * 20
    inputs = {f"f{i}": {"kind": "number"} for i in range(count)}
    for name in extra:
        frame[name] = generator.choice(["x", "y"], 40)
        inputs = {"f0": inputs.pop("f0"), name: {"kind": "category"}, **inputs}
    config = {
        "data": {"table": "t.csv"},
        "inputs": inputs,
        "targets": {"label": {"kind": "category"}},
        "members": ["network"],
        "train": {"epochs": 1, "batch_size": 8, "golden_rows": 4},
    }
    return mmbm.train(config, table=frame, run=folder / f"run-{count}"), frame


def operators(bundle):
    return [node.op_type for node in onnx.load(bundle.path / "graphs/encode.onnx").graph.node]


@pytest.mark.slow
def test_the_graph_has_as_many_operations_for_thirty_number_columns_as_for_three(tmp_path):
    few, many = (trained(count, tmp_path)[0] for count in (3, 30))
    assert len(operators(few)) == len(operators(many))


def test_columns_together_answer_as_each_alone_beside_other_kinds(tmp_path):
    bundle, frame = trained(4, tmp_path, extra=["word"])
    model = restore(bundle.bundle)
    assert isinstance(model, Model)
    arrays = {}
    for name, column in bundle.columns.items():
        if name in bundle.config.inputs:
            cells = [column.decode(cell) for cell in frame[name]]
            zero = np.zeros((), column.storage.dtype)
            arrays[name] = np.array([zero if c is None else c for c in cells])
            arrays[f"{name}.present"] = np.array([c is not None for c in cells])
    alone = TorchRunner(model).run("encode", arrays)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with numbers_together(model):
        together = TorchRunner(model).run("encode", arrays)
    for name, expected in alone.items():
        assert together[name] == pytest.approx(expected, abs=1e-5)
    after = model.state_dict()
    assert after.keys() == state.keys()
    assert all(torch.equal(after[name], state[name]) for name in state)
    assert not any(isinstance(m, TableModality) and m.frontends_together for m in model.modules())
