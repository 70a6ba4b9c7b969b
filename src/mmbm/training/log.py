"""What a run shows while it trains: a bar with rows/s, loss and time left; a line per epoch."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mmbm.console import QUIET, say
from mmbm.data.prepare import Data
from mmbm.training.run_folder import Run
from mmbm.training.state import TrainState


class Training:
    """Used as a context around the loop. Reads the loss from the device every `log_steps` only."""

    def __init__(self, state: TrainState, data: Data, run: Run):
        self.state, self.run = state, run
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[speed]:,.0f} rows/s  loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        sizes = ", ".join(f"{len(rows)} {split}" for split, rows in data.splits.items())
        parameters = sum(p.numel() for p in state.model.parameters())
        precision = state.accelerator.mixed_precision.replace("no", "float32")
        self.console.print(
            f"{run.folder}: {sizes} rows; {parameters:,} parameters; "
            f"{state.accelerator.device.type}, {precision}"
        )
        self.task = self.bar.add_task(
            "", total=state.total, completed=state.step, epoch=1, speed=0.0, loss=float("nan")
        )
        self.since, self.rows, self.loss = time.monotonic(), 0, float("nan")
        self.told = time.monotonic()  # when a line was last written

    def __enter__(self) -> "Training":
        self.bar.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.stop()

    def step(self) -> None:
        state = self.state
        self.rows += len(state.recent[-1])
        if state.step % state.spec.log_steps == 0 or state.step == state.total:
            self.read()
        self.bar.advance(self.task)
        if not self.console.is_terminal and time.monotonic() - self.told >= QUIET:
            say(f"step {state.step} of {state.total}  loss {self.loss:.4f}")
            self.told = time.monotonic()

    def read(self) -> None:
        """Wait for the device, log loss and speed."""
        state, now = self.state, time.monotonic()
        if not state.recent:
            return
        self.loss = state.read_loss()
        speed = self.rows * state.accelerator.num_processes / max(now - self.since, 1e-9)
        self.since, self.rows = now, 0
        self.run.log(state.step, loss=self.loss, lr=state.lr(), rows_per_second=round(speed, 1))
        epoch = 1 + (state.step - 1) // state.steps_per_epoch
        self.bar.update(self.task, epoch=epoch, speed=speed, loss=self.loss, total=state.total)

    def epoch(self, epoch: int, scores: dict[str, Any] | None = None) -> None:
        """A line in the log and, with scores of the valid split, one on the screen."""
        self.read()
        if scores is None:
            self.run.log(self.state.step, epoch=epoch + 1)
            return
        self.run.log(self.state.step, epoch=epoch + 1, valid=scores["targets"])
        target, metric = self.state.monitored()
        value = scores["targets"][target][metric.name]
        best = "  best" if self.state.best[0][1] == epoch else ""
        self.console.print(
            f"epoch {epoch + 1:>3}/{self.state.spec.epochs}  loss {self.loss:.4f}  "
            f"valid {target} {metric.name} {value:.4f}{best}"
        )
        self.since, self.rows = time.monotonic(), 0
        self.told = time.monotonic()
