"""What only a machine with a GPU can show: `pytest -m gpu`; skipped elsewhere."""

import subprocess
import sys

import pytest
import tiny
import torch
import yaml
from trainers import trainer_of

import mmbm

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_a_network_trains_in_bfloat16_and_its_bundle_answers_alike_on_a_processor(table, tmp_path):
    config = tiny.config(table, device="cuda", precision="bfloat16", epochs=2)
    bundle = mmbm.train(config, run=tmp_path / "run")
    assert bundle.verify() > 0


def test_a_step_waits_for_nothing_of_the_device(table, tmp_path):
    trainer = trainer_of(tiny.config(table, device="cuda", precision="bfloat16"), tmp_path)
    batches = list(trainer.batches(0))
    trainer.update(batches[0])  # kernels are chosen and memory is taken
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches[1:]:
            trainer.update(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.read_loss() > 0


def test_batches_are_moved_to_the_device(table, tmp_path):
    trainer = trainer_of(tiny.config(table, device="cuda"), tmp_path)
    batch = next(iter(trainer.batches(0)))
    fields = trainer.move(batch.inputs)
    assert {field.values.device.type for field in fields.values()} == {"cuda"}


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_devices_leave_one_bundle(table, tmp_path):
    config = tiny.config(table, device="cuda", precision="bfloat16", epochs=2)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-m", "mmbm", "train", "config.yaml", "--run", "runs/two",
         "--processes", "2"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stderr
    assert mmbm.load(tmp_path / "runs/two/bundle", verify=True)
