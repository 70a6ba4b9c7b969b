"""The battery of resuming: a run that is stopped inside an epoch ends as one that isn't."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

import mmbm
from mmbm.errors import Interrupted
from mmbm.training.trainer import Trainer


def stop_after(steps: int, run: str, patch) -> None:
    """Ask the run of this name to stop after its first step beyond so many, inside an epoch."""
    update = Trainer.update

    def stop(trainer: Trainer, batch: Any) -> None:
        update(trainer, batch)
        here = trainer.run.folder.name == run and trainer.step > steps
        trainer.interrupts.stop = here and trainer.inside_epoch

    patch.setattr(Trainer, "update", stop)


def assert_resumes(
    config: dict[str, Any], folder: Path, monkeypatch, steps: int, inside: str = "stopped"
) -> mmbm.Model:
    """Train in one go, and once more with a stop after so many steps of the run `inside`; both end
    with the same weights, bit for bit. The first one's bundle."""
    whole = mmbm.train(config, run=folder / "whole")
    with monkeypatch.context() as patch:
        stop_after(steps, inside, patch)
        with pytest.raises(Interrupted):
            mmbm.train(config, run=folder / "stopped")
    found = (folder / "stopped").rglob("checkpoint.safetensors")
    assert inside in {file.parent.name for file in found}
    again = mmbm.train(config, run=folder / "stopped", resume=True)
    ours, theirs = (load_file(b.path / "weights.safetensors") for b in (whole, again))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not (ours[name] == theirs[name]).all()] == []
    return whole
