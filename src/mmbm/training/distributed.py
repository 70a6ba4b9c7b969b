"""Distributed training: ranks, synchronization, and starting the processes.

The first process (rank 0) runs the whole program: it prepares the table, holds the run's folder,
scores the valid split and writes the bundle. The others wait (`follow`), and join it wherever it
trains a network (`call`). The order of batches is a function of seed and epoch alone, each process
takes its part of every batch, and gradients are averaged (DistributedDataParallel, Li et al. 2020).
Processes are started by `mmbm train --processes`, by `torchrun` or by another launcher that sets
RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmbm import console
from mmbm.errors import Interrupted, MmbmError, ProcessLost

PATIENCE = timedelta(days=7)
"""Timeout of a process waiting for another outside of training steps: the first may fit classical
members for hours."""


class Processes:
    """A single process, or a rank of distributed training."""

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0, control: Any = None):
        self.rank, self.size, self.local_rank, self.control = rank, size, local_rank, control
        self.result: Any = None  # the result of `follow` in the other processes

    @property
    def main(self) -> bool:
        return self.rank == 0

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """A module whose gradients all processes share. It starts with the weights of the first
        one. A parameter that a process's rows don't use counts as a gradient of zero there.
        """
        if self.size == 1:
            return module
        ids = [device.index or 0] if device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids, find_unused_parameters=True)

    def agree(self, *numbers: int) -> list[int]:
        """The maximum of each number over all processes. It doesn't wait for a GPU."""
        if self.size == 1:
            return list(numbers)
        values = torch.tensor(numbers)
        dist.all_reduce(values, dist.ReduceOp.MAX, group=self.control)
        return values.tolist()

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in the order of ranks; empty but in the first process."""
        if self.size == 1:
            return [value]
        found = [None] * self.size if self.main else None
        dist.gather_object(value, found, group=self.control)
        return found or []

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Make the other processes, which `follow`, call a function of a module."""
        if self.size > 1 and self.main:
            dist.broadcast_object_list([partial(function, *args)], group=self.control)

    def follow(self) -> Any:
        """Run the first process's calls until it is done; its result. Raises Interrupted if it ends
        without one."""
        while True:
            job: list[Any] = [None]
            dist.broadcast_object_list(job, group=self.control)
            if not callable(job[0]):
                break
            with suppress(Interrupted):  # as in the first process, which decides how to continue
                job[0]()
        if job[0] is None:
            raise Interrupted("Stopped with the first process.")
        return job[0]

    @contextmanager
    def lead(self) -> Iterator[None]:
        """The whole program, in the first process; the others, which `follow`, end with it."""
        try:
            yield
        except Interrupted:
            self.result = None
            self._release()
            raise
        self._release()

    def _release(self) -> None:
        if self.size > 1:
            dist.broadcast_object_list([self.result], group=self.control)


_current = Processes()


def current() -> Processes:
    return _current


@contextmanager
def joined() -> Iterator[Processes]:
    """This process's rank as set by a launcher; a single process without one.

    Raises ProcessLost if another process was lost.
    """
    global _current
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or _current.size > 1:
        yield _current
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    control = dist.new_group(backend="gloo", timeout=PATIENCE)
    _current = Processes(dist.get_rank(), size, local, control)
    console.silent = not _current.main
    try:
        yield _current
    except (dist.DistBackendError, dist.DistNetworkError, RuntimeError) as error:
        if isinstance(error, MmbmError) or not lost(error):
            raise
        raise ProcessLost(
            "Another process of this training ended, so this one can't go on. The last checkpoint "
            "is in the run's folder: go on with the same command and --resume (in Python: "
            "resume=True)."
        ) from error
    finally:
        _current = Processes()
        console.silent = False
        dist.destroy_process_group()


def lost(error: Exception) -> bool:
    """Whether a collective failed because its peer is gone."""
    words = ("Connection closed", "Connection reset", "gloo", "Gloo", "NCCL", "Broken pipe")
    return any(word in str(error) for word in words)


def sync_on_last(module: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """Processes share their gradients once, after the last micro-batch."""
    if last or not isinstance(module, DistributedDataParallel):
        return nullcontext()
    return module.no_sync()


def unwrap(module: nn.Module) -> Any:
    return module.module if isinstance(module, DistributedDataParallel) else module


def launch(processes: int, arguments: list[str]) -> int:
    """Run `mmbm ARGUMENTS` in so many processes of this machine (torch's elastic launcher). The
    exit status of the one that failed first, or 0."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    cores = os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(cores // processes, 1)))
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0", run_id=f"mmbm-{os.getpid()}", max_restarts=0,
        monitor_interval=0.1,
    )  # fmt: skip
    try:
        elastic_launch(config, sys.executable)("-m", "mmbm", *arguments)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        code = failure.exitcode
        return code if code > 0 else 128 - code  # ended by a signal
    except SignalException:
        return Interrupted.status
    return 0
