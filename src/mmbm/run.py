"""A run's folder: where it logs, checkpoints and leaves its bundle. And who may stop it.

runs/NAME/  config.yaml · log.jsonl · events.* (TensorBoard) · quarantine.csv
            checkpoint.safetensors · epoch-N.safetensors · bundle/
"""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmbm import configfile
from mmbm.config import Config
from mmbm.errors import ConfigError, TrainingError


class Run:
    def __init__(self, folder: Path, config: Config, cache: Path | None = None):
        self.folder = folder
        self.bundle = folder / "bundle"
        self.checkpoint = folder / "checkpoint.safetensors"
        self.quarantine = folder / "quarantine.csv"
        self.cache = cache or folder.parent / "prepared"
        self.stop = False
        self._saved = time.monotonic()
        self._every = config.train.checkpoint_seconds
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(configfile.dump(config), encoding="utf-8")
        self._log = (folder / "log.jsonl").open("a", encoding="utf-8")
        self._events: Any = None

    @classmethod
    def start(cls, config: Config, folder: Path, resume: bool) -> "Run":
        """A fresh folder, or with `resume` the newest unfinished one of this same config."""
        siblings = sorted(
            (
                p
                for p in folder.parent.glob("*/config.yaml")
                if numbered(p.parent.name, folder.name)
            ),
            key=lambda p: p.stat().st_mtime,
        )
        if resume:
            unfinished = [p for p in siblings if not (p.parent / "bundle/manifest.json").exists()]
            same = [p for p in unfinished if p.read_text("utf-8") == configfile.dump(config)]
            if unfinished and not same:
                raise ConfigError(
                    f"{unfinished[-1].parent} is unfinished, but its settings differ from this "
                    "config's: train without --resume, or with the settings it was started with."
                )
            if same:
                return cls(same[-1].parent, config)
        fresh, number = folder, 1
        while fresh.exists():
            number += 1
            fresh = folder.with_name(f"{folder.name}-{number}")
        return cls(fresh, config)

    def log(self, step: int, **values: Any) -> None:
        """One line in log.jsonl, and every number as a TensorBoard scalar."""
        self._log.write(json.dumps({"step": step, "time": round(time.time(), 3), **values}) + "\n")
        self._log.flush()
        for name, value in flat(values):
            self.events.add_scalar(name, value, step)

    @property
    def events(self) -> Any:
        if self._events is None:
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(self.folder), flush_secs=30)
        return self._events

    def checkpoint_due(self) -> bool:
        """Some time has passed since the last one, or someone asked the run to stop."""
        return self.stop or time.monotonic() - self._saved >= self._every

    def saved(self) -> None:
        self._saved = time.monotonic()

    def check_finite(self, bad: bool, step: int, rows: list[int], lr: float) -> None:
        if bad:
            raise TrainingError(
                f"The loss or its gradient is not finite, at step {step} or shortly before. Rows "
                f"since the last check: {', '.join(str(r + 1) for r in rows[:20])}… Look at them, "
                f"lower train.lr (now {lr:g}), or set train.precision: float32. The last good "
                "weights are in the run's folder."
            )

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C or SIGTERM asks the run to stop after its step; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(signum: int, frame: Any) -> None:
            self.stop = True
            signal.signal(signum, previous[signum])

        previous: dict[int, Any] = {
            s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)

    def close(self) -> None:
        self._log.close()
        if self._events is not None:
            self._events.close()


def numbered(name: str, base: str) -> bool:
    """`base` itself, or one of the `base-2`, `base-3` … that were begun after it."""
    return name == base or (name.startswith(f"{base}-") and name[len(base) + 1 :].isdecimal())


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Nested numbers as (path, number)."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", value
