"""A killed run goes on as if it had never stopped."""

import os
import signal
import subprocess
import sys
import time

import pytest
import tiny
import torch
import yaml
from safetensors.torch import load_file

import mmbm
from mmbm.errors import ConfigError, TrainingError
from mmbm.training import checkpoint


def weights(run):
    return load_file(run / "bundle" / "weights.safetensors")


@pytest.fixture(scope="module")
def config_path(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("resume") / "small.yaml"
    config = tiny.config(table, epochs=12, checkpoint_seconds=0.2, log_steps=3, golden_rows=0)
    config["inputs"].pop("speech")
    config["inputs"]["photo"]["augment"] = {"flip": True, "crop": 0.1, "random_erasing": 0.3}
    path.write_text(yaml.safe_dump(config))
    return path


def start(config_path, *more):
    code = "from mmbm.cli import main; main()"
    command = [sys.executable, "-c", code, "train", str(config_path), *more]
    return subprocess.Popen(command, cwd=config_path.parent, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def whole(config_path, tmp_path_factory):
    return mmbm.train(config_path, run=tmp_path_factory.mktemp("whole") / "run").path.parent


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_and_resumed_run_ends_with_the_same_weights(config_path, whole, tmp_path, signum):
    stopped = tmp_path / "stopped"
    for _ in range(2):  # stop it twice, somewhere
        process = start(config_path, "--run", str(stopped), "--resume")
        seen = checkpoint_time(stopped)
        until = time.monotonic() + 60
        while checkpoint_time(stopped) == seen and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(signum)
        message = process.communicate(timeout=60)[1]
        if signum == signal.SIGINT and process.returncode != 0:
            assert process.returncode == 130, message
            assert "--resume" in message
    assert not (stopped / "bundle").exists(), "stopped too late to prove anything"
    mmbm.train(config_path, run=stopped, resume=True)
    ours, theirs = weights(whole), weights(stopped)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def checkpoint_time(run):
    file = run / "checkpoint.safetensors"
    return os.stat(file).st_mtime_ns if file.exists() else 0


def test_resuming_with_other_settings_is_refused(config_path, tmp_path):
    process = start(config_path, "--run", str(tmp_path / "run"))
    while not checkpoint_time(tmp_path / "run"):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    with pytest.raises(ConfigError, match="settings differ"):
        mmbm.train(config_path, run=tmp_path / "run", resume=True, overrides=["train.lr=0.1"])


def test_resuming_a_finished_run_trains_nothing_and_shows_its_bundle(config_path, whole):
    files = {file: file.read_bytes() for file in (whole / "bundle").rglob("*") if file.is_file()}
    process = start(config_path, "--run", str(whole), "--resume")
    message = process.communicate(timeout=120)[1]
    assert process.returncode == 0, message
    assert f"{whole} is finished; its bundle is {whole / 'bundle'}" in message
    assert "epoch" not in message
    assert not list(whole.parent.glob(f"{whole.name}-*"))
    assert {f: f.read_bytes() for f in (whole / "bundle").rglob("*") if f.is_file()} == files


def test_a_finished_run_of_other_settings_is_no_answer_to_resume(config_path, whole, tmp_path):
    few = ["train.epochs=1"]
    first = mmbm.train(config_path, run=tmp_path / "run", overrides=few)
    again = mmbm.train(config_path, run=tmp_path / "run", resume=True, overrides=few)
    assert again.path == first.path
    other = mmbm.train(config_path, run=tmp_path / "run", resume=True, overrides=["train.epochs=2"])
    assert other.path.parent.name == "run-2"


def test_a_run_never_overwrites_another(config_path, tmp_path):
    few = ["train.epochs=1"]
    first = mmbm.train(config_path, run=tmp_path / "run", overrides=few)
    second = mmbm.train(config_path, run=tmp_path / "run", overrides=few)
    assert first.path.parent.name == "run"
    assert second.path.parent.name == "run-2"
    ours, theirs = weights(first.path.parent), weights(second.path.parent)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"a": torch.zeros(3)}, {})
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors is damaged.*--resume"):
        checkpoint.load(path)


def test_an_average_keeps_the_digits_of_time_stamps():
    mean = torch.tensor(1_700_000_001.25, dtype=torch.float64)
    assert checkpoint.average([{"mean": mean}, {"mean": mean}])["mean"] == mean
