"""A graph is as dynamic as it was asked to be, or there is no graph; one trace serves every module
of its make, with the weights of each."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from mmbm.errors import BundleError
from mmbm.nn import graph


class Scaled(nn.Module):
    """A weight, a buffer that no file has, and a plain number."""

    def __init__(self, seed: int, scale: float = 2.0):
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(4, 3)
        self.register_buffer("mean", torch.randn(4), persistent=False)
        self.scale = scale

    def forward(self, x):
        return (self.scale * self.linear(x - self.mean),)


@pytest.fixture
def traces(monkeypatch):
    """How often a module is traced; nothing is known at first."""
    counted = []
    whole = torch.onnx.export
    monkeypatch.setattr(graph, "_known", {})
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: counted.append(a) or whole(*a, **k))
    return counted


def exported(module: nn.Module, folder) -> float:
    """How far the file's answer is from the module's."""
    x = torch.randn(5, 4)
    batch = {"x": {0: torch.export.Dim("batch")}}
    graph.to_onnx(module, {"x": x[:3]}, batch, ["y"], folder / "g.onnx")
    session = onnxruntime.InferenceSession(folder / "g.onnx")
    (y,) = session.run(["y"], {"x": x.numpy()})
    return float(np.abs(y - module(x)[0].detach().numpy()).max())


class ReadsItsBatchAsANumber(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x + torch.zeros(len(x), 1),)


def test_an_axis_that_would_be_fixed_is_an_error_that_names_it(tmp_path):
    with pytest.raises(BundleError, match="axis 0 of x came out fixed at 3"):
        exported(ReadsItsBatchAsANumber(), tmp_path)


def test_modules_of_one_make_are_traced_once_and_each_has_its_weights(traces, tmp_path):
    for seed in range(3):
        assert exported(Scaled(seed), tmp_path) < 1e-6
    assert len(traces) == 1


def test_a_plain_number_makes_another_graph(traces, tmp_path):
    for scale in (2.0, 3.0):
        assert exported(Scaled(0, scale), tmp_path) < 1e-6
    assert len(traces) == 2


def test_weights_that_are_shared_make_another_graph(traces, tmp_path):
    for shared in (True, False):
        module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), Scaled(0))
        if shared:
            module[1].weight = module[0].weight
        assert exported(module, tmp_path) < 1e-6
    assert len(traces) == 2


def test_a_class_that_was_written_anew_makes_another_graph(traces, tmp_path):
    def written(sign: int) -> type[nn.Module]:
        def forward(self, x):
            return (sign * self.linear(x),)

        made = type("Scaled", (Scaled,), {"forward": forward, "__module__": __name__})
        globals()["Scaled"] = made  # as a cell of a notebook that is run again
        return made

    first = Scaled
    for sign in (1, -1):
        assert exported(written(sign)(0), tmp_path) < 1e-6
        globals()["Scaled"] = first
    assert len(traces) == 2


def with_a_function(module: Scaled) -> None:
    module.hook = lambda x: x  # type: ignore[assignment]


@pytest.mark.parametrize("change", [with_a_function, lambda m: weight_norm(m.linear)])
def test_what_cannot_be_pickled_is_traced_each_time(traces, tmp_path, change):
    for seed in range(2):
        module = Scaled(seed)
        change(module)
        assert exported(module, tmp_path) < 1e-6
    assert len(traces) == 2


def test_only_the_latest_traces_are_kept(traces, tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "MOST", 1)
    for scale in (2.0, 3.0, 3.0, 2.0):
        exported(Scaled(0, scale), tmp_path)
    assert len(traces) == 3
