"""Everything a run needs to go on as if it had never stopped, in one safetensors file.

Tensors (weights, optimizer, random generators) are tensors; all else is JSON in the file's
metadata. No pickle. A file is complete or absent: it is written beside its place, then moved.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mmbm.errors import TrainingError

Tensors = dict[str, Tensor]


def save(path: Path, tensors: Tensors, meta: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    separate = {name: t.detach().contiguous().clone() for name, t in tensors.items()}
    save_file(separate, part, metadata={"json": json.dumps(meta)})
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and meta. Raises TrainingError: a disk can fail where a program can't."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()["json"])
    except SafetensorError as error:
        raise TrainingError(f"{path} is damaged ({error}). Train without --resume.") from error


def under(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}:{name}": tensor for name, tensor in tensors.items()}


def of(prefix: str, tensors: Tensors) -> Tensors:
    return {
        name.removeprefix(f"{prefix}:"): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{prefix}:")
    }


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> Tensors:
    """Moments and step counts, by the name of the parameter they belong to."""
    names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
    return {
        f"{names[parameter]}:{key}": torch.as_tensor(value)
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Tensors) -> None:
    parameters = dict(model.named_parameters())
    for name, tensor in tensors.items():
        parameter, _, key = name.rpartition(":")
        place = parameters[parameter]
        # fused AdamW keeps `step` beside the parameter as float32, like its moments
        optimizer.state[place][key] = tensor.to(place.device)


def generators() -> Tensors:
    """States of the random generators: the processor's, and each GPU's."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def restore_generators(states: Tensors) -> None:
    torch.set_rng_state(states["cpu"])
    for name, state in states.items():
        if name.startswith("cuda") and torch.cuda.is_available():
            torch.cuda.set_rng_state(state, int(name.removeprefix("cuda")))


def average(many: Iterable[Tensors]) -> Tensors:
    """Mean of floating tensors; of others (counters) the first one's. (Izmailov et al. 2018)

    In float64, for the mean of a column of time stamps is among them.
    """
    many = list(many)
    return {
        name: torch.stack([tensors[name].double() for tensors in many]).mean(0).to(first.dtype)
        if first.is_floating_point()
        else first
        for name, first in many[0].items()
    }
