"""Device and precision: device selection, mixed precision and loss scaling of float16."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from mmbm.config import TrainSpec
from mmbm.errors import ConfigError
from mmbm.training.distributed import current


def check_device(spec: TrainSpec) -> None:
    """Raises an error if a requested device isn't available, and never uses another one."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(spec.device, True):
        raise ConfigError(
            f"train.device: this machine, or this build of torch, has no {spec.device}; "
            "auto takes what there is."
        )
    on_cpu = spec.device == "cpu" or (spec.device == "auto" and not any(there.values()))
    if spec.precision == "float16" and on_cpu:
        raise ConfigError("train.precision: float16 needs a GPU; auto or bfloat16 run on a CPU.")


def device_of(spec: TrainSpec) -> torch.device:
    """The device; of several processes on a machine each has a GPU of its own. Raises ConfigError,
    as `check_device`."""
    check_device(spec)
    name = spec.device
    if name == "auto":
        name = "mps" if torch.backends.mps.is_available() else "cpu"
        name = "cuda" if torch.cuda.is_available() else name
    return torch.device(name, current().local_rank) if name == "cuda" else torch.device(name)


class Precision:
    """Mixed precision of the forward pass, and the loss scaling of float16."""

    def __init__(self, spec: TrainSpec, device: torch.device):
        self.name, self.device = precision(spec, device), device
        self.scaler = torch.amp.GradScaler(device.type) if self.name == "float16" else None

    def autocast(self) -> AbstractContextManager:
        if self.name == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.name))

    def backward(self, loss: Tensor) -> None:
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def clip(self, module: nn.Module, optimizer: torch.optim.Optimizer, most: float) -> Tensor:
        """Clip gradients to a norm of `most`; returns the norm before."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)
        return nn.utils.clip_grad_norm_(module.parameters(), most)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()


def precision(spec: TrainSpec, device: torch.device) -> str:
    """`auto` is bfloat16 on a GPU that computes it natively."""
    if spec.precision != "auto":
        return spec.precision
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float32"
