"""Where a training run stands: model, optimizer, step, what was best, and how to take a step."""

import math
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from mmbm.config import Config, TrainSpec
from mmbm.console import say
from mmbm.data.batches import NumpyBatch, Split
from mmbm.errors import ConfigError, TrainingError
from mmbm.inference.evaluate import build_answers
from mmbm.inference.generation import wrap_runner
from mmbm.inference.runners import Runner
from mmbm.inference.runners.torch import TorchRunner
from mmbm.kinds.column import Arrays, Columns
from mmbm.layers.batch import Field
from mmbm.nn.modalities import Batch
from mmbm.nn.model import Model
from mmbm.training import checkpoint
from mmbm.training.objective import Objective, backward
from mmbm.training.run_folder import Run

Score = tuple[float, float]
"""What decides, larger is better; the second number breaks ties of the first."""


class TrainState:
    def __init__(self, config: Config, model: Model, columns: Columns, rows: Split, run: Run):
        spec = config.train
        self.config, self.spec, self.run = config, spec, run
        self.rows, self.model = rows, model
        self.answers = build_answers(config, columns)
        self.monitored()  # a metric that there isn't is refused now, not after an epoch
        check_device(spec)
        AcceleratorState._reset_state()  # an earlier training of this process had a precision too
        self.accelerator = Accelerator(mixed_precision=precision(spec), cpu=spec.device == "cpu")
        if spec.threads:
            torch.set_num_threads(spec.threads)
        torch.manual_seed(spec.seed)
        optimizer = torch.optim.AdamW(
            groups(model, spec), lr=spec.lr, betas=(0.9, 0.98), fused=True
        )
        self.objective, self.optimizer = self.accelerator.prepare(Objective(model), optimizer)
        self.steps_per_epoch = rows.steps(spec.batch_size)
        self.total = self.steps_per_epoch * spec.epochs
        self.step = 0
        self.improved = 0  # the epoch whose monitored metric was last better than all before
        self.stopped = False  # early: no better score for `patience` epochs
        self.best: list[tuple[Score, int]] = []  # (score, epoch), best first
        self.last: list[int] = []  # the newest epochs
        self.finite = torch.ones((), dtype=torch.bool, device=self.accelerator.device)
        self.fixed = checkpoint.fixed(model)
        self.loss_sum = torch.zeros((), device=self.accelerator.device)
        self.before: set[Path] = set()  # weights that the checkpoint before the last one wants
        self.recent: deque[np.ndarray] = deque(maxlen=spec.log_steps)

    # ── one epoch ────────────────────────────────────────────────────────────────────────────

    def epochs(self) -> Iterator[int]:
        while self.step < self.total and not self.stopped:
            yield self.step // self.steps_per_epoch

    @property
    def inside_epoch(self) -> bool:
        """After an epoch's last step comes its score: a checkpoint before it would lose that."""
        return self.step % self.steps_per_epoch != 0

    def batches(self, epoch: int) -> Iterator[NumpyBatch]:
        """What is left of the epoch: a resumed run starts in its middle."""
        start = self.step - epoch * self.steps_per_epoch
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        return self.rows.batches(self.spec.seed, epoch, self.spec.batch_size, start, rank, world)

    def update(self, batch: NumpyBatch) -> None:
        """Forward, backward, clip, step. Nothing here waits for the device."""
        # Not after the step: gradients freed last would give their memory back to the system, which
        # costs a page fault for every 4 kB of them in the next step.
        self.optimizer.zero_grad()
        for group in self.optimizer.param_groups:
            begun = self.step >= group["start"] * self.steps_per_epoch
            group["lr"] = self.lr() * group["scale"] if begun else 0.0
        inputs, targets = self.move(batch.inputs), self.move(batch.targets)
        loss = backward(
            self.accelerator, self.objective, inputs, targets, self.spec.micro_batch_size
        )
        parameters = self.objective.parameters()
        norm = self.accelerator.clip_grad_norm_(parameters, self.spec.max_grad_norm)
        finite = torch.isfinite(torch.as_tensor(norm)) & torch.isfinite(loss)
        if self.accelerator.scaler is None:  # the fused step then skips a bad update by itself
            self.optimizer.optimizer.found_inf = (~finite).float()
        self.optimizer.step()
        if self.accelerator.scaler is None:  # float16's scaler overflows now and then by design
            self.finite &= finite
        self.loss_sum += loss
        self.recent.append(batch.rows)
        self.step += 1

    def lr(self) -> float:
        """Linear warm-up, then half a cosine down to a hundredth."""
        warmup = max(int(self.total * self.spec.warmup_ratio), 1)
        if self.step < warmup:
            return self.spec.lr * (self.step + 1) / warmup
        done = (self.step - warmup) / max(self.total - warmup, 1)
        return self.spec.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))

    def move(self, arrays: dict[str, Arrays]) -> Batch:
        device = self.accelerator.device
        return {
            name: Field(*(to(torch.from_numpy(a), device) for a in x)) for name, x in arrays.items()
        }

    def read_loss(self) -> float:
        """Mean loss since the last call. Waits for the device; stops the run if it isn't finite."""
        rows = [int(r) for batch in self.recent for r in batch]
        self.run.check_finite(not bool(self.finite), self.step, rows, self.lr())
        loss = float(self.loss_sum) / max(len(self.recent), 1)
        self.loss_sum.zero_()
        self.recent.clear()
        return loss

    # ── after an epoch ───────────────────────────────────────────────────────────────────────

    def runner(self) -> Runner:
        return wrap_runner(
            TorchRunner(self.model, self.accelerator.device), self.config, quick=True
        )

    def score(self, report: dict[str, Any]) -> Score:
        """The monitored metric of a report, larger is better; its target's loss, of a transcript
        the character error rate, or of a text chrF breaks ties."""
        target, metric = self.monitored()
        scores = report["targets"][target]
        value = scores.get(metric.name)
        if value is None:
            raise TrainingError(
                f"train.monitor: {target}.{metric.name} can't be computed on the valid split "
                f"({scores.get('rows', 0)} rows have this target)."
            )
        sign = 1 if metric.higher_is_better else -1
        return sign * value, scores.get("chrf", -scores.get("log_loss", scores.get("cer", 0.0)))

    def monitored(self):
        name = self.spec.monitor
        if name is None:
            target = next(iter(self.answers))
            return target, self.answers[target].main
        target, _, metric = name.rpartition(".")
        answer = self.answers.get(target)
        known = {m.name: m for m in answer.metrics} if answer else {}
        if metric not in known:
            options = [f"{t}.{m.name}" for t, a in self.answers.items() for m in a.metrics]
            raise ConfigError(f"train.monitor: no {name!r}; it can be {', '.join(options)}.")
        return target, known[metric]

    def keep(self, epoch: int, score: Score = (0.0, 0.0)) -> None:
        """Keep the epoch's weights while they may be chosen; stop if it got no better for long."""
        path = self._weights(epoch)
        checkpoint.save(path, self.weights(), {"epoch": epoch, "score": score})
        if not self.best or score[0] > self.best[0][0][0]:  # ties aside
            self.improved = epoch
        patience = self.spec.patience
        self.stopped = patience is not None and epoch - self.improved >= patience
        self.best = sorted([*self.best, (score, epoch)], reverse=True)[
            : self.spec.average_checkpoints
        ]
        self.last = [*self.last, epoch][-self.spec.average_checkpoints :]

    def weights(self) -> checkpoint.Tensors:
        """What of the model training changes."""
        return {n: t for n, t in self.model.state_dict().items() if n not in self.fixed}

    def load(self, weights: checkpoint.Tensors) -> None:
        """Put back what `weights` gave; what is fixed stays as it is."""
        own = self.model.state_dict()
        self.model.load_state_dict({name: own[name] for name in self.fixed} | weights)

    @cached_property
    def origin(self) -> str:
        """Tells the weights that are fixed from others."""
        own = self.model.state_dict()
        return checkpoint.digest(checkpoint.on_host({n: own[n] for n in self.fixed}), "")

    def _weights(self, epoch: int) -> Path:
        return self.run.folder / f"epoch-{epoch:04}.safetensors"

    def finalists(self) -> Iterator[str]:
        """Load into the model, the steadiest first: the average of the last epochs, the average of
        the best ones, the best one."""
        best = [epoch for _, epoch in self.best]
        for epochs in dict.fromkeys(tuple(sorted(e)) for e in (self.last, best, best[:1])):
            weights = (checkpoint.load(self._weights(epoch))[0] for epoch in epochs)
            self.load(checkpoint.average(weights))
            yield f"mean of epochs {', '.join(str(e + 1) for e in epochs)}"

    # ── going on ─────────────────────────────────────────────────────────────────────────────

    def save(self, data_key: str) -> None:
        if self.accelerator.is_main_process:
            optimizer = checkpoint.optimizer_tensors(self.optimizer.optimizer, self.model)
            tensors = (
                checkpoint.under("model", self.weights())
                | checkpoint.under("optimizer", optimizer)
                | checkpoint.under("random", checkpoint.generators())
                | {"loss_sum": self.loss_sum, "finite": self.finite}
            )
            scaler = self.accelerator.scaler
            meta = {
                "step": self.step,
                "best": self.best,
                "last": self.last,
                "improved": self.improved,
                "stopped": self.stopped,
                "total": self.total,
                "recent": [rows.tolist() for rows in self.recent],
                "data": data_key,
                "fixed": self.origin,
                "scaler": scaler.state_dict() if scaler else None,
                "config": self.run.settings,
            }
            if self.run.checkpoint.exists():  # the one before it stays, should a disk damage this
                self.run.checkpoint.replace(self.run.previous)
            checkpoint.save(self.run.checkpoint, tensors, meta)
            wanted = set(self.wanted())
            for path in set(self.run.folder.glob("epoch-*.safetensors")) - wanted - self.before:
                path.unlink()
            self.before = wanted
        self.run.saved()

    def wanted(self) -> list[Path]:
        """The epochs whose weights may be chosen in the end."""
        return [self._weights(epoch) for epoch in [*self.last, *(e for _, e in self.best)]]

    def resume(self, data_key: str) -> None:
        """Stand where the run's checkpoint stood, or the one before it if that is damaged; at the
        beginning if there is none."""
        damaged: checkpoint.Damaged | None = None
        for path in (self.run.checkpoint, self.run.previous):
            if not path.exists():
                continue
            try:
                tensors, meta = checkpoint.load(path)
                self.stand(tensors, meta, data_key)
                for epoch in self.wanted():
                    checkpoint.load(epoch)
            except checkpoint.Damaged as error:
                damaged = damaged or error
                continue
            if damaged:
                say(f"{damaged.what} The run goes on from {path.name}, at step {self.step}.")
            return
        if damaged:
            raise checkpoint.Damaged(
                f"{damaged.what} No checkpoint of {self.run.folder} is left to go on from."
            )

    def stand(self, tensors: checkpoint.Tensors, meta: dict[str, Any], data_key: str) -> None:
        if meta["data"] != data_key:
            raise TrainingError(
                f"{self.run.folder} can't go on: its table, media or columns changed since it was "
                "interrupted. Train without --resume (in Python: resume=False)."
            )
        if meta.get("fixed", self.origin) != self.origin:
            raise TrainingError(
                f"{self.run.folder} can't go on: the frozen weights of its pretrained models "
                "aren't those that it began with. Give the same models, and the same --from (in "
                "Python: start=); or train without --resume (in Python: resume=False)."
            )
        self.load(checkpoint.of("model", tensors))
        checkpoint.restore_optimizer(
            self.optimizer.optimizer, self.model, checkpoint.of("optimizer", tensors)
        )
        checkpoint.restore_generators(checkpoint.of("random", tensors))
        self.loss_sum.copy_(tensors["loss_sum"])
        self.finite.copy_(tensors["finite"])
        if meta["scaler"] and self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(meta["scaler"])
        self.step, self.improved, self.stopped = meta["step"], meta["improved"], meta["stopped"]
        self.total = meta.get("total", self.total)
        self.best = [(tuple(score), epoch) for score, epoch in meta["best"]]
        self.last = meta["last"]
        self.recent.clear()
        self.recent.extend(np.array(rows) for rows in meta["recent"])
        self.before = set(self.wanted())


def to(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies to a GPU run beside its computing when they start from pinned memory."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Pace(NamedTuple):
    """How a group of weights is trained."""

    weight_decay: float
    scale: float = 1.0  # its part of `train.lr`
    start: int = 0  # the epoch in which it begins


def groups(model: Model, spec: TrainSpec) -> list[dict[str, Any]]:
    """Weights that are trained at the same pace. Weight decay is for matrices only: not for biases,
    gains and single learned tokens."""
    paces: dict[Tensor, Pace] = {}
    for encoder in model.pretrained():
        own, layer_decay = (encoder.spec.lr or spec.lr) / spec.lr, encoder.spec.layer_decay
        for weight, depth in encoder.depths().items():
            start = (
                (depth + 1) * encoder.spec.gradual_unfreezing
                if encoder.spec.gradual_unfreezing
                else 0
            )
            paces[weight] = Pace(0.0, own * layer_decay**depth, start)
    grouped: dict[Pace, list[Tensor]] = {}
    for weight in model.parameters():
        if weight.requires_grad:
            pace = paces.get(weight, Pace(0.0))
            if weight.ndim > 1:
                pace = pace._replace(weight_decay=spec.weight_decay)
            grouped.setdefault(pace, []).append(weight)
    return [{"params": weights, **pace._asdict()} for pace, weights in grouped.items()]


def check_device(spec: TrainSpec) -> None:
    """A device that was asked for and isn't there is an error, never another device."""
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
    """Where to compute what is no training. Raises ConfigError, as `check_device`."""
    check_device(spec)
    there = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(there if spec.device == "auto" else spec.device)


def precision(spec: TrainSpec) -> str:
    """accelerate's word for the precision; `auto` is bfloat16 on a GPU that computes it."""
    if spec.precision != "auto":
        return {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}[spec.precision]
    on_gpu = spec.device in ("auto", "cuda") and torch.cuda.is_available()
    return "bf16" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "no"
