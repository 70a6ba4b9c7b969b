"""The torch model as a runner: for a model in training, and for graphs that can't be exported."""

import numpy as np
import torch
from torch import Tensor

from mmbm.inference.runners import Named
from mmbm.layers.batch import Encoded, Field, Tokens
from mmbm.nn.ensemble import Ensemble
from mmbm.nn.modalities import Batch
from mmbm.nn.model import Model


class TorchRunner:
    """Runs in float32 and evaluation mode; restores the model's previous mode.

    Besides `encode` and `answer` it has `candidates`: for each ensemble target the answers of all
    fitted members (`TARGET.answers` [B, K, C], `TARGET.available` [B, K]).
    """

    def __init__(self, model: Model | Ensemble, device: torch.device | str = "cpu"):
        self.model, self.device = model, torch.device(device)

    def run(self, graph: str, arrays: Named) -> Named:
        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                found = (
                    self._step(graph, arrays)
                    if graph.startswith("step-")
                    else getattr(self, f"_{graph}")(arrays)
                )
                return {k: v.cpu().numpy() for k, v in found.items()}
        finally:
            self.model.train(training)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _encode(self, arrays: Named) -> dict[str, Tensor]:
        columns = [column for names in self.model.modalities.values() for column in names]
        batch = fields({k: self._tensor(v) for k, v in arrays.items()}, columns)
        tokens, present, features = self.model.encode(batch)
        named = {}
        for name, (x, keep) in tokens.items():
            named |= {f"{name}.x": x, f"{name}.keep": keep, f"{name}.known": present[name]}
        return named | features

    def _tokens(self, arrays: Named) -> Encoded:
        names = self.model.modalities
        tokens = {
            n: Tokens(self._tensor(arrays[f"{n}.x"]), self._tensor(arrays[f"{n}.keep"]))
            for n in names
        }
        present = {n: self._tensor(arrays[f"{n}.known"]) for n in names}
        features = {n: self._tensor(arrays[n]) for n, _ in self.model.representations.items()}
        return Encoded(tokens, present, features)

    def _answer(self, arrays: Named) -> dict[str, Tensor]:
        return self.model.answer(*self._tokens(arrays))

    def _step(self, graph: str, arrays: Named) -> dict[str, Tensor]:
        assert isinstance(self.model, Model), "texts of several models have no mean"
        writer = list(self.model.writers().values())[int(graph.removeprefix("step-"))]
        parts = (self._tensor(arrays[name]) for name in ("token", "place", "cache", "seen"))
        return dict(zip(("logits", "grown"), writer.step(*parts)))

    def _candidates(self, arrays: Named) -> dict[str, Tensor]:
        assert isinstance(self.model, Model), "an ensemble's members chose their mixes already"
        modalities = list(self.model.modalities)
        left_out = modalities if len(modalities) > 1 else []
        context, named = self.model.context(*self._tokens(arrays), left_out), {}
        for name, target in self.model.mixed():
            answers, available = target.candidates(context)  # [B, K, C], [B, K]
            named |= {f"{name}.answers": answers, f"{name}.available": available}
        return named


def fields(tensors: dict[str, Tensor], columns: list[str]) -> Batch:
    """Named tensors of `encode` -> one Field per column."""
    one = torch.ones_like(tensors[f"{columns[0]}.present"], dtype=torch.int64)  # for all: a graph
    return {  # of many columns has it once
        name: Field(tensors[name], tensors.get(f"{name}.lengths", one), tensors[f"{name}.present"])
        for name in columns
    }
