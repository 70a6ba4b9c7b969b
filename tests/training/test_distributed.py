"""Training by two real processes: the same steps as one, one run folder, killed and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ranks
import tiny
import torch
import yaml
from safetensors.numpy import load_file

import mmbm
from mmbm.training.distributed import Processes

TARGETS: dict[str, dict[str, Any]] = {
    "category": {"label": {"kind": "category"}},
    "number": {"amount": {"kind": "number"}},
    "labels": {"tags": {"kind": "labels", "separator": ";"}},
    "several": {"label": {"kind": "category"}, "amount": {"kind": "number"}},
    "text": {"remark": {"kind": "text", "max_tokens": 20, "decoder": {"size": "tiny"}}},
    "transcript": {"place": {"kind": "transcript", "input": "speech"}},
    "infonce": {"alike": {"kind": "contrastive", "columns": ["photo", "speech"]}},
    "sigmoid": {
        "alike": {"kind": "contrastive", "columns": ["photo", "speech"], "loss": "sigmoid"}
    },
}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Some rows lack the target or an input, so that processes have different numbers of them."""
    path = tiny.make(tmp_path_factory.mktemp("tiny"), rows=72)
    header, *rows = path.read_text().splitlines()
    names = header.split(",")
    for i, row in enumerate(rows):
        cells = row.split(",")
        if i % 5 == 0 and "train" in cells[-1]:
            cells[names.index("label")] = cells[names.index("speech")] = ""
        rows[i] = ",".join(cells)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def config(table: Path, name: str, **train: Any) -> dict[str, Any]:
    """Without anything random, so that the division of rows is the only difference."""
    made = tiny.config(table, max_grad_norm=1e9, **train)
    del made["inputs"]["place"]  # a category is hidden at random
    made["inputs"]["speech"]["augment"] = {"freq_mask": 0, "time_mask": 0}
    made["inputs"]["remark"]["augment"] = {"token_dropout": 0}
    made["inputs"]["speech"]["encoder"] = {"kind": "rnn", "size": "tiny", "width": 8}
    if name == "transcript":
        made["inputs"]["speech"]["encoder"]["stride"] = 1
    made["targets"] = json.loads(json.dumps(TARGETS[name]))
    first = next(iter(made["targets"].values()))
    read = first.get("columns") or ([first["input"]] if "input" in first else made["inputs"])
    made["inputs"] = {
        n: made["inputs"][n] for n in made["inputs"] if n in read and n not in made["targets"]
    }
    for spec in made["inputs"].values():
        if "encoder" in spec:
            spec["encoder"]["dropout"] = 0.0
    made["fusion"] |= {"dropout": 0.0, "modality_dropout": 0.0}
    if "decoder" in first:
        first["decoder"]["dropout"] = 0.0
    return made


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "batch_size", "micro"),
    [(name, 15, None) for name in TARGETS] + [("several", 15, 4), ("infonce", 15, 4)],
)
def test_two_processes_take_the_steps_of_one(name, batch_size, micro, table, tmp_path):
    """An odd batch: one of them has a row more, and more rows with a target."""
    made = config(table, name, batch_size=batch_size, micro_batch_size=micro)
    if micro:  # statistics of `cnn` are those of a micro-batch, which differ
        for spec in made["inputs"].values():
            if spec.get("encoder", {}).get("kind") == "cnn":
                spec["encoder"] = {"kind": "transformer", "size": "tiny", "dropout": 0.0}
    losses, gradient = ranks.take_steps(made, tmp_path)
    both = ranks.together(made, tmp_path)
    for theirs, their_gradient in both:
        assert theirs == pytest.approx(losses, rel=2e-3)
        assert theirs[0] == pytest.approx(losses[0], rel=1e-5)
        assert their_gradient.keys() == gradient.keys()
        for parameter, expected in gradient.items():
            torch.testing.assert_close(
                their_gradient[parameter], expected, rtol=1e-3, atol=1e-5, msg=parameter
            )


def command(path: Path, run: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "mmbm", "train", str(path), "--run", run, *more]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def prepared(table, tmp_path_factory):
    """A folder with a config of several epochs."""
    folder = tmp_path_factory.mktemp("runs")
    made = tiny.config(table, epochs=6, batch_size=8, log_steps=1, checkpoint_seconds=0.001)
    (folder / "config.yaml").write_text(yaml.safe_dump(made, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def whole(prepared):
    """The run of two processes that nothing disturbs."""
    done = subprocess.run(
        command(prepared / "config.yaml", "runs/whole", "--processes", "2"),
        cwd=prepared, env=environment(), capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_leave_one_run_and_one_bundle(whole, prepared):
    assert [path.name for path in (prepared / "runs").glob("whole*")] == ["whole"]
    assert whole.stdout.count("Bundle: runs/whole/bundle") == 1
    assert "2 processes" in whole.stderr
    lines = (prepared / "runs/whole/log.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines if "loss" in json.loads(line)]
    assert steps == sorted(set(steps))
    report = mmbm.load(prepared / "runs/whole/bundle", verify=True).metrics["test"]
    assert report["targets"]["label"]["rows"] == 9  # each of them once


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_run_killed_on_any_process_goes_on_bit_for_bit(rank, whole, prepared):
    name = f"killed-{rank}"
    first = kill_one(prepared, name, rank)
    assert first != 0
    again = subprocess.run(
        command(prepared / "config.yaml", f"runs/{name}", "--processes", "2", "--resume"),
        cwd=prepared, env=environment(), capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    ours, theirs = (
        load_file(prepared / f"runs/{n}/bundle/weights.safetensors") for n in ("whole", name)
    )
    assert all((ours[key] == theirs[key]).all() for key in ours)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_sigterm_on_one_process_stops_all_and_another_number_of_them_goes_on(whole, prepared):
    name = "stopped"
    assert kill_one(prepared, name, 1, signal.SIGTERM) == 130
    stopped = last_step(prepared / "runs" / name)
    again = subprocess.run(
        command(prepared / "config.yaml", f"runs/{name}", "--resume"),
        cwd=prepared, env=environment(), capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    steps = [
        json.loads(line)["step"]
        for line in (prepared / "runs" / name / "log.jsonl").read_text().splitlines()
    ]
    assert stopped in steps
    assert steps == sorted(steps)  # nothing is done twice
    assert mmbm.load(prepared / f"runs/{name}/bundle", verify=True)


def kill_one(folder: Path, name: str, rank: int, by: int = signal.SIGKILL) -> int:
    """Start a run of two processes, and kill one of them in the second epoch; the exit status."""
    process = subprocess.Popen(
        command(folder / "config.yaml", f"runs/{name}", "--processes", "2"),
        cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while last_step(folder / "runs" / name) < 9 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(child(process.pid, rank), by)
        process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode


def last_step(run: Path) -> int:
    log = run / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return json.loads(lines[-1])["step"] if lines else 0


def child(parent: int, rank: int) -> int:
    """The process id of a rank."""
    for task in Path(f"/proc/{parent}/task").iterdir():
        for pid in (task / "children").read_text().split():
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if f"RANK={rank}".encode() in variables:
                return int(pid)
    raise AssertionError(f"no rank {rank}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_config_that_is_wrong_is_said_once(prepared, tmp_path):
    shutil.copy(prepared / "config.yaml", tmp_path / "config.yaml")
    done = subprocess.run(
        [*command(tmp_path / "config.yaml", "runs/x", "--processes", "2"), "--set", "train.lr=no"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("train.lr") == 1
    assert "Traceback" not in done.stderr


def test_one_process_changes_nothing():
    alone = Processes()
    assert alone.main
    assert alone.agree(1, -3) == [1, -3]
    assert alone.gather("x") == ["x"]
    module = torch.nn.Linear(1, 1)
    assert alone.wrap(module, torch.device("cpu")) is module
