"""Progress of a run: a bar with rows/s, loss and time left; a line per epoch."""

import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from mmbm.console import QUIET, say
from mmbm.training.run_folder import Run

if TYPE_CHECKING:
    from mmbm.training.trainer import Trainer


class Progress:
    """Context manager around the loop. Reads the loss from the device every `log_steps` only; shows
    and logs in the first process."""

    def __init__(self, trainer: "Trainer"):
        self.trainer = trainer
        self.run = trainer.run if isinstance(trainer.run, Run) else None
        self.console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=self.run is None)
        self.bar = Bar(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[speed]:,.0f} rows/s  loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task("", total=None, epoch=1, speed=0.0, loss=float("nan"))
        self.since, self.rows, self.loss = time.monotonic(), 0, float("nan")
        self.written = time.monotonic()  # time of the last line

    def __enter__(self) -> "Progress":
        trainer = self.trainer
        splits = trainer.validator.data.splits
        sizes = ", ".join(f"{len(rows)} {split}" for split, rows in splits.items())
        parameters = sum(p.numel() for p in trainer.model.parameters())
        size = trainer.processes.size
        self.console.print(
            f"{trainer.run.folder}: {sizes} rows; {parameters:,} parameters; "
            f"{trainer.device.type}, {trainer.precision.name}"
            + (f"; {size} processes" if size > 1 else "")
        )
        self.bar.update(self.task, total=trainer.total, completed=trainer.step)
        self.bar.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.stop()

    def step(self) -> None:
        trainer = self.trainer
        self.rows += len(trainer.recent[-1])
        if trainer.step % trainer.spec.log_steps == 0 or trainer.step == trainer.total:
            self.read()
        self.bar.advance(self.task)
        if not self.console.is_terminal and time.monotonic() - self.written >= QUIET:
            say(f"step {trainer.step} of {trainer.total}  loss {self.loss:.4f}")
            self.written = time.monotonic()

    def read(self) -> None:
        """Wait for the device, log loss and speed."""
        trainer, now = self.trainer, time.monotonic()
        if not trainer.recent:
            return
        self.loss = trainer.read_loss()
        speed = self.rows * trainer.processes.size / max(now - self.since, 1e-9)
        self.since, self.rows = now, 0
        if self.run:
            self.run.log(
                trainer.step, loss=self.loss, lr=trainer.lr(), rows_per_second=round(speed, 1)
            )
        epoch = 1 + (trainer.step - 1) // trainer.steps_per_epoch
        self.bar.update(self.task, epoch=epoch, speed=speed, loss=self.loss, total=trainer.total)

    def epoch(self, epoch: int, scores: dict[str, Any] | None = None) -> None:
        """A line in the log and, with scores of the valid split, one on the screen."""
        self.read()
        if self.run is None:
            return
        if scores is None:
            self.run.log(self.trainer.step, epoch=epoch + 1)
            return
        self.run.log(self.trainer.step, epoch=epoch + 1, valid=scores["targets"])
        target, metric = self.trainer.validator.target, self.trainer.validator.metric
        value = scores["targets"][target][metric.name]
        best = "  best" if self.trainer.selection.best[0][1] == epoch else ""
        self.console.print(
            f"epoch {epoch + 1:>3}/{self.trainer.spec.epochs}  loss {self.loss:.4f}  "
            f"valid {target} {metric.name} {value:.4f}{best}"
        )
        self.since, self.rows = time.monotonic(), 0
        self.written = time.monotonic()
