"""The battery of resuming: a run that is stopped inside an epoch ends as one that isn't."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

import mmbm
from mmbm.errors import Interrupted
from mmbm.training.run_folder import Run


def assert_resumes(
    config: dict[str, Any], folder: Path, monkeypatch, steps: int, inside: str = "stopped"
) -> mmbm.Model:
    """Train in one go, and once more with a stop after so many steps of the run `inside`; both end
    with the same weights, bit for bit. The first one's bundle."""
    whole = mmbm.train(config, run=folder / "whole")
    due = iter([False] * steps + [True] * 1000)

    def stop(run: Run) -> bool:
        run.stop = run.folder.name == inside and next(due)
        return run.stop

    with monkeypatch.context() as patch:
        patch.setattr(Run, "checkpoint_due", stop)
        with pytest.raises(Interrupted):
            mmbm.train(config, run=folder / "stopped")
    found = (folder / "stopped").rglob("checkpoint.safetensors")
    assert inside in {file.parent.name for file in found}
    again = mmbm.train(config, run=folder / "stopped", resume=True)
    ours, theirs = (load_file(b.path / "weights.safetensors") for b in (whole, again))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not (ours[name] == theirs[name]).all()] == []
    return whole
