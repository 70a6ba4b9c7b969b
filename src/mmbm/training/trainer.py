"""The training loop of a network."""

import json
import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmbm.config import Config
from mmbm.data.batches import NumpyBatch
from mmbm.data.prepare import Data
from mmbm.errors import ConfigError, Interrupted, TrainingError
from mmbm.inference.predictor import Predictor
from mmbm.inference.restore import start_from
from mmbm.kinds.column import Arrays
from mmbm.layers.batch import Field
from mmbm.nn.modalities import Batch
from mmbm.nn.model import Model
from mmbm.training import checkpoint
from mmbm.training.budget import Pace
from mmbm.training.checkpoint import CheckpointManager, Tensors
from mmbm.training.device import Precision, device_of
from mmbm.training.distributed import current
from mmbm.training.feature_cache import cache_frozen_features
from mmbm.training.interrupts import Interrupts
from mmbm.training.log import Progress
from mmbm.training.objective import Objective, backward
from mmbm.training.optimizer import Schedule, build_optimizer
from mmbm.training.run_folder import Run, RunFiles
from mmbm.training.validator import Validator
from mmbm.training.weight_selection import WeightSelection

SAVE, STOP = 1, 2
"""Request after a step: a checkpoint; or one, and the end."""


class Trainer:
    """Trains a model on the train rows of `data`, in step with the other processes.

    It combines a schedule and an optimizer, a validator, the run's checkpoints and the candidate
    weights. `model` is the trained one.
    """

    def __init__(self, config: Config, model: Model, data: Data, run: RunFiles):
        spec = config.train
        self.config, self.spec, self.model = config, spec, model
        self.rows, self.run, self.processes = data.splits["train"], run, current()
        self.data_key = data_key(data)
        self.validator = Validator(config, data, model)
        self.device = device_of(spec)
        self.precision = Precision(spec, self.device)
        if spec.threads:
            torch.set_num_threads(spec.threads)
        torch.manual_seed(spec.seed + self.processes.rank)  # each drops modalities of its own rows
        self.objective = self.processes.wrap(Objective(model.to(self.device)), self.device)
        self.optimizer = build_optimizer(model, spec)
        self.schedule = Schedule(spec, self.rows.steps(spec.batch_size))
        self.interrupts = Interrupts()
        self.checkpoints = CheckpointManager(
            run.folder, spec.checkpoint_seconds, self.processes.main
        )
        self.selection = WeightSelection(self.checkpoints, spec.average_checkpoints, spec.patience)
        self.step = 0
        self.fixed = checkpoint.fixed(model)
        self.finite = torch.ones((), dtype=torch.bool, device=self.device)
        self.loss_sum = torch.zeros((), device=self.device)
        self.recent: deque[np.ndarray] = deque(maxlen=spec.log_steps)
        check_batch(config, self.rows_per_step, self.processes.size)

    # ── the loop ─────────────────────────────────────────────────────────────────────────────

    def fit(self, score: bool = True, end: float = math.inf, least: float = 0.0) -> None:
        """Continue from the run's checkpoint: every epoch of batches, the valid split, a
        checkpoint.

        score: whether valid rows choose epochs; without, none is scored, unless `train.patience`
        needs it. end: deadline on the monotonic clock, which may reduce the steps; returns
        immediately if less than the fraction `least` of them fits.

        Raises Interrupted after Ctrl-C or SIGTERM, after a checkpoint.
        """
        self.checkpoints.resume(self.restore)
        pace = Pace(self.step, self.schedule, end, least)
        with Progress(self) as shown, self.interrupts:
            while self.step < self.total and not self.selection.stopped:
                epoch = self.step // self.steps_per_epoch
                self.agree(pace)
                for batch in self.batches(epoch):
                    if self.step >= self.total:
                        break
                    self.update(batch)
                    shown.step()
                    asked = self.agree(pace)
                    if asked and self.inside_epoch:
                        self.save(stop=asked == STOP)
                self.validate(epoch, shown, score or bool(self.spec.patience))
                self.save(stop=self.agree(pace) == STOP)

    def agree(self, pace: Pace) -> int:
        """The requests of all processes, and how many steps the first one has time for."""
        asked = SAVE if self.processes.main and self.checkpoints.due() else 0
        asked = STOP if self.interrupts.stop else asked
        total = pace.total(self.step) if self.processes.main else 0
        stopped = int(self.selection.stopped)
        asked, self.schedule.total, stopped = self.processes.agree(asked, total, stopped)
        self.selection.stopped = bool(stopped)
        return asked

    def validate(self, epoch: int, shown: Progress, score: bool) -> None:
        """Keep the epoch's weights, with their score if it is scored."""
        self.check_finite()
        report = self.validator.report() if score and self.processes.main else None
        value = self.validator.score(report) if report else (0.0, 0.0)
        if self.processes.main:
            self.selection.keep(epoch, self.weights(), value)
        shown.epoch(epoch, report)

    def batches(self, epoch: int) -> Iterator[NumpyBatch]:
        """The rest of the epoch for this process: a resumed run starts in its middle."""
        start = self.step - epoch * self.steps_per_epoch
        rank, size = self.processes.rank, self.processes.size
        return self.rows.batches(self.spec.seed, epoch, self.spec.batch_size, start, rank, size)

    def update(self, batch: NumpyBatch) -> None:
        """Forward, backward, clip, step. Nothing here waits for a GPU."""
        # Not after the step: gradients freed last would return their memory to the system, which
        # costs a page fault for every 4 kB of them in the next step.
        self.optimizer.zero_grad()
        self.schedule.apply(self.optimizer, self.step)
        inputs, targets = self.move(batch.inputs), self.move(batch.targets)
        loss = backward(self.objective, self.precision, inputs, targets, self.micro_batches)
        norm = self.precision.clip(self.objective, self.optimizer, self.spec.max_grad_norm)
        self.precision.step(self.optimizer)
        if self.precision.scaler is None:  # float16's scaler overflows occasionally by design
            self.finite &= torch.isfinite(norm) & torch.isfinite(loss)
        self.loss_sum += loss
        self.recent.append(batch.rows)
        self.step += 1

    @property
    def total(self) -> int:
        return self.schedule.total

    @property
    def steps_per_epoch(self) -> int:
        return self.schedule.steps_per_epoch

    @property
    def inside_epoch(self) -> bool:
        """The score follows an epoch's last step: a checkpoint before it would lose that."""
        return self.step % self.steps_per_epoch != 0

    @property
    def rows_per_step(self) -> int:
        return min(self.spec.batch_size, len(self.rows))

    @property
    def micro_batches(self) -> int:
        """Micro-batches of a step, the same number in every process."""
        if self.spec.micro_batch_size is None:
            return 1
        most = -(-self.rows_per_step // self.processes.size)
        least = self.rows_per_step // self.processes.size
        return min(-(-most // self.spec.micro_batch_size), least)

    def lr(self) -> float:
        return self.schedule.lr(self.step)

    def move(self, arrays: dict[str, Arrays]) -> Batch:
        return {
            name: Field(*(to(torch.from_numpy(a), self.device) for a in x))
            for name, x in arrays.items()
        }

    def read_loss(self) -> float:
        """Mean loss since the last call. Waits for the device; raises TrainingError where it isn't
        finite."""
        self.check_finite()
        loss = float(self.loss_sum) / max(len(self.recent), 1)
        self.loss_sum.zero_()
        self.recent.clear()
        return loss

    def check_finite(self) -> None:
        if not bool(self.finite):
            rows = [int(r) + 1 for batch in self.recent for r in batch][:20]
            raise TrainingError(
                f"The loss or its gradient is not finite, at step {self.step} or shortly before. "
                f"Rows since the last check: {', '.join(map(str, rows))}… Look at them, lower "
                f"train.lr (now {self.lr():g}), or set train.precision: float32. The last good "
                "weights are in the run's folder."
            )

    # ── weights, and going on ────────────────────────────────────────────────────────────────

    def weights(self) -> Tensors:
        """The part of the model that training changes."""
        return {n: t for n, t in self.model.state_dict().items() if n not in self.fixed}

    def load(self, weights: Tensors) -> None:
        """Load the result of `weights`; fixed weights stay."""
        own = self.model.state_dict()
        self.model.load_state_dict({name: own[name] for name in self.fixed} | weights)

    def choose_weights(self) -> None:
        """Load the weights selected on the valid split."""
        self.selection.choose(self.load, self.validator)

    def average_weights(self) -> None:
        """Load the mean of the last epochs, without selection."""
        self.selection.average(self.load)

    def save(self, stop: bool = False) -> None:
        """Write a checkpoint. Raises Interrupted with `stop`."""
        self.check_finite()
        generators = self.processes.gather(checkpoint.generators())
        if self.processes.main:
            tensors, meta = self.state(generators)
            self.checkpoints.save(tensors, meta, self.selection.epochs())
        if stop:
            raise Interrupted(
                f"Stopped after step {self.step} of {self.total}; {self.run.folder} is saved. Go "
                "on with the same command and --resume."
            )

    def state(self, generators: list[Tensors]) -> tuple[Tensors, dict[str, Any]]:
        """All state for resuming; `generators`: of each process."""
        tensors = checkpoint.under("model", self.weights())
        tensors |= checkpoint.under(
            "optimizer", checkpoint.optimizer_tensors(self.optimizer, self.model)
        )
        for rank, states in enumerate(generators):
            tensors |= checkpoint.under(f"random{rank}", states)
        scaler = self.precision.scaler
        return {**tensors, "loss_sum": self.loss_sum, "finite": self.finite}, {
            **self.selection.state(),
            "step": self.step,
            "total": self.total,
            "recent": [rows.tolist() for rows in self.recent],
            "data": self.data_key,
            "fixed": self.origin,
            "scaler": scaler.state_dict() if scaler else None,
            "processes": len(generators),
            "config": self.run.settings,
        }

    def restore(self, tensors: Tensors, meta: dict[str, Any]) -> list[int]:
        """Restore a checkpoint's state. Returns the epochs whose weights are candidates."""
        check_same_run(self.run.folder, meta, self.data_key, self.origin)
        self.load(checkpoint.of("model", tensors))
        checkpoint.restore_optimizer(
            self.optimizer, self.model, checkpoint.of("optimizer", tensors)
        )
        self.step, self.schedule.total = meta["step"], meta["total"]
        if meta["processes"] == self.processes.size:
            own = checkpoint.of(f"random{self.processes.rank}", tensors)
            checkpoint.restore_generators(own)
        else:  # no saved generator: seeded by step and process
            torch.manual_seed(hash((self.spec.seed, self.step, self.processes.rank)))
        self.loss_sum.copy_(tensors["loss_sum"])
        self.finite.copy_(tensors["finite"])
        if meta["scaler"] and self.precision.scaler:
            self.precision.scaler.load_state_dict(meta["scaler"])
        self.selection.restore(meta)
        self.recent.clear()
        self.recent.extend(np.array(rows) for rows in meta["recent"])
        return self.selection.epochs()

    @property
    def origin(self) -> str:
        """Identifies fixed weights."""
        own = self.model.state_dict()
        return checkpoint.digest(checkpoint.on_host({n: own[n] for n in self.fixed}), "")


def train_network(
    config: Config,
    data: Data,
    run: Run,
    start: Predictor | None = None,
    score: bool = True,
    end: float = math.inf,
    least: float = 0.0,
) -> tuple[Trainer, Data]:
    """Build a network and fit it, in all processes. See `Trainer.fit`.

    Also returns the data it was trained on: features, where a frozen encoder's are computed once.
    """
    torch.manual_seed(config.train.seed)
    model = Model(config, data.columns)
    if start:
        start_from(model, start.bundle, data.columns)
    model.inject_lora()
    run.use(data)
    features = cache_frozen_features(config, model, data, run.cache)
    run.use(features)
    files = RunFiles(run.folder, run.settings)
    current().call(join, config, data.columns, features, files, score, end, least)
    trainer = Trainer(config, model, features, run)
    trainer.fit(score, end, least)
    return trainer, features


def join(
    config: Config, columns: Any, data: Data, run: RunFiles, score: bool, end: float, least: float
) -> None:
    """The part of `train_network` in the other processes: the first one's weights reach them when
    the trainer is built."""
    model = Model(config, columns)
    model.inject_lora()
    Trainer(config, model, data, run).fit(score, end, least)


def check_batch(config: Config, rows: int, processes: int) -> None:
    if rows < processes:
        raise ConfigError(
            f"train.batch_size: a step has {rows} rows (train.batch_size "
            f"{config.train.batch_size}), too few for {processes} processes. Start fewer "
            "processes, or set a larger batch."
        )


def check_same_run(folder: Any, meta: dict[str, Any], data_key: str, origin: str) -> None:
    if meta["data"] != data_key:
        raise TrainingError(
            f"{folder} can't go on: its table, media or columns changed since it was "
            "interrupted. Train without --resume (in Python: resume=False)."
        )
    if meta["fixed"] != origin:
        raise TrainingError(
            f"{folder} can't go on: the frozen weights of its pretrained models "
            "aren't those that it began with. Give the same models, and the same --from (in "
            "Python: start=); or train without --resume (in Python: resume=False)."
        )


def data_key(data: Data) -> str:
    """Data that a resumed run must find unchanged: prepared cells and rows."""
    stores = data.splits["train"].stores
    rows = {split: len(rows) for split, rows in data.splits.items()}
    return json.dumps({"stores": [store.name for store in stores.values()], "rows": rows})


def to(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies to a GPU overlap with its computing when they start from pinned memory."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
