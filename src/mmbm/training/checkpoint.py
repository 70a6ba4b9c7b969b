"""Checkpoint of a run, in one safetensors file: all state for an exact resumption.

Tensors (weights, optimizer, random generators) are tensors; all else is JSON in the file's
metadata, with a digest of it and of every tensor. No pickle. A file is whole or absent (see
`mmbm.files`), and one in which a bit was flipped is refused.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mmbm import files
from mmbm.console import say
from mmbm.errors import TrainingError
from mmbm.nn.model import Model


class Damaged(TrainingError):
    """A damaged checkpoint. `what` is the message without the fix."""

    def __init__(self, what: str):
        super().__init__(
            f"{what} Train without --resume (in Python: resume=False): that starts a new run, and "
            "leaves this one as it is."
        )
        self.what = what


Tensors = dict[str, Tensor]
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "checkpoint-before.safetensors"


class CheckpointManager:
    """The checkpoints of a run's folder: the newest, the one before it, and the weights of epochs.

    Of several processes the first one writes, and all read. `seconds`: time between checkpoints.
    """

    def __init__(self, folder: Path, seconds: float, writes: bool = True):
        self.folder, self.seconds, self.writes = folder, seconds, writes
        self.saved = time.monotonic()
        self.before: set[Path] = set()  # weights that the checkpoint before the last one needs

    def due(self) -> bool:
        """Whether some time has passed since the last one."""
        return time.monotonic() - self.saved >= self.seconds

    def save(self, tensors: Tensors, meta: dict[str, Any], epochs: Iterable[int]) -> None:
        """Write a checkpoint, and delete weights of epochs that neither it nor the one before it
        needs."""
        self.saved = time.monotonic()
        if not self.writes:
            return
        newest = self.folder / CHECKPOINT
        if newest.exists():  # the one before it stays, in case a disk damages this
            newest.replace(self.folder / PREVIOUS)
        save(newest, tensors, meta)
        wanted = {self.epoch(number) for number in epochs}
        for path in set(self.folder.glob("epoch-*.safetensors")) - wanted - self.before:
            path.unlink()
        self.before = wanted

    def epoch(self, number: int) -> Path:
        return self.folder / f"epoch-{number:04}.safetensors"

    def save_epoch(self, number: int, weights: Tensors, score: tuple[float, float]) -> None:
        if self.writes:
            save(self.epoch(number), weights, {"epoch": number, "score": score})

    def load_epoch(self, number: int) -> Tensors:
        return load(self.epoch(number))[0]

    def resume(self, restore: Callable[[Tensors, dict[str, Any]], list[int]]) -> None:
        """Restore the newest checkpoint, or the one before it if that is damaged; does nothing if
        there is none. `restore` returns the epochs whose weights it needs.

        Raises Damaged if there are checkpoints and none can be read.
        """
        damaged: Damaged | None = None
        for path in (self.folder / CHECKPOINT, self.folder / PREVIOUS):
            if not path.exists():
                continue
            try:
                tensors, meta = load(path)
                epochs = restore(tensors, meta)
                for number in epochs:
                    self.load_epoch(number)
            except Damaged as error:
                damaged = damaged or error
                continue
            self.before = {self.epoch(number) for number in epochs}
            if damaged:
                say(f"{damaged.what} The run goes on from {path.name}, at step {meta['step']}.")
            return
        if damaged:
            raise Damaged(f"{damaged.what} No checkpoint of {self.folder} is left to go on from.")


def save(path: Path, tensors: Tensors, meta: dict[str, Any]) -> None:
    separate = on_host(tensors)
    text = json.dumps(meta)
    metadata = {"json": text, "digest": digest(separate, text)}
    with files.written(path) as part:
        save_file(separate, part, metadata=metadata)


def on_host(tensors: Tensors) -> Tensors:
    """Each tensor in its own host memory: copied only if it is on a device, or shares memory with
    another."""
    found, taken = {}, set()
    for name, tensor in tensors.items():
        host = tensor.detach().cpu().contiguous()
        memory = host.untyped_storage().data_ptr()
        found[name] = host.clone() if memory in taken else host
        taken.add(memory)
    return found


def fixed(model: Model) -> set[str]:
    """The names of the weights that training doesn't change: frozen pretrained ones, which are read
    again from their source."""
    frozen = {
        id(p) for part in model.pretrained() for p in part.parameters() if not p.requires_grad
    }
    return {name for name, p in model.state_dict(keep_vars=True).items() if id(p) in frozen}


def load(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and meta. Raises Damaged, since a disk can fail where a program doesn't."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        text = metadata["json"]
        if metadata["digest"] != digest(tensors, text):
            raise ValueError("its bytes are not those that were written")
        return tensors, json.loads(text)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        why = f"its metadata lack {error}" if isinstance(error, KeyError) else error
        raise Damaged(f"{path} is damaged ({why}).") from error


def settings(path: Path) -> str | None:
    """The config that a checkpoint was written with, if a readable one exists."""
    try:
        with safe_open(path, framework="pt") as file:
            text = json.loads((file.metadata() or {})["json"])["config"]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        return None
    return text if isinstance(text, str) else None


def digest(tensors: Tensors, text: str) -> str:
    """Digest of a checkpoint: names, types, shapes and bytes of its tensors, and `text`."""
    hashed = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name]
        hashed.update(f"|{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()


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
    """States of the random generators: of the CPU, and of each GPU in use."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        states |= {f"cuda{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def restore_generators(states: Tensors) -> None:
    torch.set_rng_state(states["cpu"])
    for name, state in states.items():
        if name.startswith("cuda") and torch.cuda.is_available():
            torch.cuda.set_rng_state(state, int(name.removeprefix("cuda")))


def average(many: Iterable[Tensors]) -> Tensors:
    """Mean of floating-point tensors; of others (counters) the first one's. (Izmailov et al. 2018)

    In float64, since the mean of a column of time stamps is among them.
    """
    many = list(many)
    return {
        name: torch.stack([tensors[name].double() for tensors in many]).mean(0).to(first.dtype)
        if first.is_floating_point()
        else first
        for name, first in many[0].items()
    }
