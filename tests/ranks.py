"""Two real processes that take training steps together, and what one alone does."""

import multiprocessing
import os
import socket
from pathlib import Path
from typing import Any

import torch
import yaml

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.nn.model import Model
from mmbm.training.distributed import joined
from mmbm.training.run_folder import RunFiles
from mmbm.training.trainer import Trainer

STEPS = 3


def take_steps(made: dict[str, Any], folder: Path) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses of the first steps, and the gradient of the first one, clipped."""
    config = configfile.parse(made)
    data = prepare(config, folder / "prepared")
    torch.manual_seed(config.train.seed)
    model = Model(config, data.columns)
    for part in model.modules():  # nothing random is to differ
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    trainer = Trainer(config, model, data, RunFiles(folder, ""))
    losses, gradient = [], {}
    for batch, _ in zip(trainer.batches(0), range(STEPS)):
        trainer.update(batch)
        losses.append(trainer.read_loss())
        gradient = gradient or {
            name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
        }
    return losses, gradient


def one_of(rank: int, size: int, port: int, path: Path) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    torch.set_num_threads(1)
    with joined():
        found = take_steps(yaml.safe_load(path.read_text()), path.parent)
    torch.save(found, path.parent / f"{rank}.pt")


def together(made: dict[str, Any], folder: Path, size: int = 2) -> list[Any]:
    """What each process found."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(made, sort_keys=False))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    all_ = [spawn.Process(target=one_of, args=(i, size, port, path)) for i in range(size)]
    for one in all_:
        one.start()
    for one in all_:
        one.join(180)
        assert one.exitcode == 0
    return [torch.load(folder / f"{i}.pt") for i in range(size)]
