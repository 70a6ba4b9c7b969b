"""A run's folder: logs, checkpoints and the bundle; and its lock.

runs/NAME/  config.yaml · log.jsonl · events.* (TensorBoard) · quarantine.csv · lock · prepared.json
            checkpoint.safetensors, and the one before it · epoch-N.safetensors · bundle/
"""

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mmbm import files
from mmbm.config import Config
from mmbm.config import load as configfile
from mmbm.config.load import leaves
from mmbm.console import say
from mmbm.data import cache as prepared
from mmbm.data.cache import LOCK
from mmbm.errors import ConfigError, TrainingError
from mmbm.files import Lock
from mmbm.training import checkpoint
from mmbm.training.checkpoint import CHECKPOINT, PREVIOUS

SHOWN = 5
"""Number of differing settings that a message lists."""


class RunFiles:
    """Folder of a run, and the settings it was started with (a config as YAML)."""

    def __init__(self, folder: Path, settings: str):
        self.folder, self.settings = folder, settings


class Run(RunFiles):
    def __init__(
        self, folder: Path, config: Config, cache: Path | None = None, lock: Lock | None = None
    ):
        super().__init__(folder, configfile.dump(config))
        self.bundle = folder / "bundle"
        self.quarantine = folder / "quarantine.csv"
        self.cache = cache or folder.parent / prepared.FOLDER
        self._lock = lock
        folder.mkdir(parents=True, exist_ok=True)
        files.clean(folder, locked=True)
        files.write_text(folder / "config.yaml", self.settings)
        self._log = open_log(folder / "log.jsonl")
        self._events: Any = None

    @classmethod
    def start(cls, config: Config, folder: Path, resume: bool) -> "Run":
        """A fresh folder, or with `resume` the newest unfinished one of this same config. No other
        process can use it until it is closed. Raises TrainingError if another one does."""
        if resume and (found := unfinished(folder)):
            same = [run for run in found if same_settings(run, config)]
            if not same:
                raise ConfigError(
                    f"{found[-1]} is unfinished, but its settings differ from this config's: "
                    f"{differences(found[-1], config)}. Train without --resume (in Python: "
                    "resume=False) to start a new run beside it, or set these back to go on with "
                    "it."
                )
            return cls(same[-1], config, lock=locked(same[-1]))
        if resume and folder.exists():
            say(f"{folder}: there is no unfinished run to go on with.")
        fresh, number = folder, 1
        if not folder.name or folder.name == "..":
            raise ConfigError(
                f"--run {folder} (in Python: run): name a new folder for the run: runs/mine, say."
            )
        while True:
            try:
                fresh.mkdir(parents=True)
            except FileExistsError:
                number += 1
                fresh = folder.with_name(f"{folder.name}-{number}")
            else:
                if number > 1:
                    say(f"{folder} is taken: this run goes to {fresh}, and its bundle too.")
                return cls(fresh, config, lock=locked(fresh))

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def log(self, step: int, **values: Any) -> None:
        """One line in log.jsonl, and every number as a TensorBoard scalar."""
        self._log.write(json.dumps({"step": step, "time": round(time.time(), 3), **values}) + "\n")
        self._log.flush()
        for name, value in flat(values):
            self.events.add_scalar(name, value, step)

    def use(self, data: Any) -> None:
        """Record which prepared files the run needs, for `mmbm cache`."""
        prepared.record(self.folder, self.cache, prepared.names_of(data))

    @property
    def events(self) -> Any:
        if self._events is None:
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(self.folder), flush_secs=30)
        return self._events

    def close(self) -> None:
        try:
            self._log.close()
            if self._events is not None:
                self._events.close()
        finally:  # a full disk must not stop the run here
            if self._lock is not None:
                self._lock.release()


# ── which folder ─────────────────────────────────────────────────────────────────────────────────


def unfinished(folder: Path) -> list[Path]:
    """The runs of this name without a bundle, the newest last; also one that hardly began."""
    if not folder.parent.is_dir():
        return []
    runs = [
        run
        for run in folder.parent.iterdir()
        if numbered(run.name, folder.name)
        and run.is_dir()
        and not (run / "bundle/manifest.json").exists()
        and (began(run) or not any(run.iterdir()))
    ]
    return sorted(runs, key=newest)


def finished(folder: Path, config: Config) -> Path | None:
    """The newest run of this name and of these settings that has its bundle; None without one, or
    if an unfinished one may be resumed."""
    if any(same_settings(run, config) for run in unfinished(folder)):
        return None
    there = folder.parent.iterdir() if folder.parent.is_dir() else ()
    runs = [
        run
        for run in there
        if numbered(run.name, folder.name)
        and (run / "bundle/manifest.json").exists()
        and settings_of(run) is not None
        and same_settings(run, config)
    ]
    return max(runs, key=newest, default=None)


def began(run: Path) -> bool:
    return any((run / name).exists() for name in ("config.yaml", CHECKPOINT, PREVIOUS, LOCK))


def newest(run: Path) -> int:
    return max(file.stat().st_mtime_ns for file in (run, *run.iterdir()))


def settings_of(run: Path) -> dict[str, Any] | None:
    """The settings a run was started with: from its config.yaml or, if that is empty or damaged,
    from its checkpoint; None if neither is readable, so that nothing of the run is known."""
    try:
        read = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        if isinstance(read, dict):
            return read
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        pass
    for name in (CHECKPOINT, PREVIOUS):
        if text := checkpoint.settings(run / name):
            return yaml.safe_load(text)
    return None


def same_settings(run: Path, config: Config) -> bool:
    known = settings_of(run)
    return known is None or known == yaml.safe_load(configfile.dump(config))


def differences(run: Path, config: Config) -> str:
    """`train.lr is 0.1 and was 0.01; …`, the first few."""
    before = dict(leaves(settings_of(run)))
    now = dict(leaves(yaml.safe_load(configfile.dump(config))))
    keys = [key for key in {**now, **before} if now.get(key) != before.get(key)]
    said = [f"{key} is {shown(now, key)} and was {shown(before, key)}" for key in keys[:SHOWN]]
    more = [f"{len(keys) - SHOWN} more"] if len(keys) > SHOWN else []
    return "; ".join([*said, *more])


def shown(settings: dict[str, Any], key: str) -> str:
    return str(settings[key])[:60] if key in settings else "not there"


def locked(folder: Path) -> Lock:
    try:
        return Lock(folder / LOCK)
    except BlockingIOError as error:
        raise TrainingError(
            f"{folder} is in use: another process (number {Lock.holder(folder / LOCK)}) trains "
            "in it. Wait until it ends, or stop it; without --resume (in Python: resume=False) a "
            "new run is started."
        ) from error


def open_log(path: Path) -> Any:
    """Open to append lines; an incomplete last line is ended first."""
    file = path.open("a+b")
    if file.tell():
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return io.TextIOWrapper(file, encoding="utf-8")


def numbered(name: str, base: str) -> bool:
    """`base` itself, or one of the later `base-2`, `base-3` …."""
    return name == base or (name.startswith(f"{base}-") and name[len(base) + 1 :].isdecimal())


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Nested numbers as (path, number)."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", value
