"""Training runs that meet a bad disk, another process, or media that change meanwhile."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import yaml
from PIL import Image
from resuming import stop_after
from safetensors.numpy import load_file

import mmbm
from mmbm.config.load import load, parse
from mmbm.data.prepare import prepare
from mmbm.errors import ConfigError, Interrupted, MmbmError, TrainingError
from mmbm.training import checkpoint
from mmbm.training import golden_rows as golden
from mmbm.training.checkpoint import CheckpointManager
from mmbm.training.run_folder import Run

FAULTS = Path(__file__).parents[2] / "bench" / "faults.py"


def faults(*options):
    done = subprocess.run(
        [sys.executable, str(FAULTS), "--json", *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its processes")
def test_killed_and_refused_runs_go_on_to_the_same_weights():
    found = faults("--kills", "4")
    assert found["killed"]["resumed to the same weights"] == 4
    assert found["full disk"]["resumed to the same weights"] == 5
    assert found["read-only folder"]["refused by a sentence"] == 3


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its processes")
def test_forty_kills_and_every_damaged_file():
    found = faults("--kills", "40", "--seed", "11")
    assert found["killed"]["resumed to the same weights"] == 40
    assert sum(found["damaged file"].values()) > 20


# ── one run, damaged in many ways ────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """40 grey pictures that tell the label; checkpoints after every step."""
    folder = tmp_path_factory.mktemp("faults")
    rows = []
    for i in range(40):
        grey = np.full((8, 8, 3), 200 * (i % 2) + i, "u1")
        Image.fromarray(grey).save(folder / f"{i}.png")
        rows.append({"photo": f"{i}.png", "n": i % 7, "label": "kw"[i % 2]})
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    config = {
        "data": {"table": str(folder / "t.csv")},
        "members": ["network"],
        "inputs": {"photo": {"kind": "image", "size": 8}, "n": {"kind": "number"}},
        "targets": {"label": {"kind": "category"}},
        "train": {"epochs": 3, "batch_size": 8, "golden_rows": 4, "checkpoint_seconds": 1e-6},
    }
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    return weights(mmbm.train(config, run=tmp_path_factory.mktemp("whole") / "run").path)


@pytest.fixture(scope="module")
def interrupted(config, tmp_path_factory):
    """A folder with a run that was stopped inside its last epoch, and its prepared cells."""
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckpointManager, "due", lambda _: True)
        stop_after(5, "run", patch)
        with pytest.raises(Interrupted):
            mmbm.train(config, run=folder / "run")
    return folder


@pytest.fixture
def stopped(interrupted, tmp_path):
    shutil.copytree(interrupted, tmp_path / "copy")
    return tmp_path / "copy" / "run"


def weights(bundle):
    return load_file(bundle / "weights.safetensors")


def goes_on(config, run, whole):
    ours = weights(mmbm.train(config, run=run, resume=True).path)
    assert (run / "bundle").is_dir()
    return all(np.array_equal(ours[name], whole[name]) for name in whole)


def flip(path, place=0.5):
    raw = bytearray(path.read_bytes())
    raw[int(len(raw) * place)] ^= 4
    path.write_bytes(raw)


def test_a_flipped_bit_in_a_checkpoint_is_seen_and_the_one_before_it_is_taken(
    config, stopped, whole, capsys
):
    flip(stopped / "checkpoint.safetensors")
    assert goes_on(config, stopped, whole)
    said = capsys.readouterr().err
    assert "checkpoint.safetensors is damaged (its bytes are not those that were written)" in said
    assert "The run goes on from checkpoint-before.safetensors, at step" in said


def test_two_damaged_checkpoints_are_refused(config, stopped):
    flip(stopped / "checkpoint.safetensors")
    (stopped / "checkpoint-before.safetensors").write_bytes(b"")
    cure = r"is damaged .* Train without --resume \(in Python: resume=False\)"
    with pytest.raises(TrainingError, match=cure):
        mmbm.train(config, run=stopped, resume=True)


@pytest.mark.parametrize("place", [0.0, 0.02, 0.1, 0.3, 0.7, 0.999])
def test_a_flipped_bit_anywhere_in_a_checkpoint_is_found(interrupted, tmp_path, place):
    path = shutil.copy(interrupted / "run" / "checkpoint.safetensors", tmp_path)
    flip(Path(path), place)
    with pytest.raises(checkpoint.Damaged):
        checkpoint.load(Path(path))


def test_damaged_weights_of_an_epoch_are_refused_before_training_goes_on(config, stopped):
    flip(next(stopped.glob("epoch-*.safetensors")))
    both = (
        r"epoch-.*is damaged .* No checkpoint of .* is left to go on from\. Train without --resume"
    )
    with pytest.raises(TrainingError, match=both):
        mmbm.train(config, run=stopped, resume=True)


@pytest.mark.parametrize("damage", [flip, lambda p: p.write_bytes(p.read_bytes()[:100])])
def test_a_damaged_prepared_file_is_made_again(config, stopped, whole, capsys, damage):
    for path in (stopped.parent / "prepared").glob("*.arrow"):
        damage(path)
    assert goes_on(config, stopped, whole)
    assert "is damaged or unfinished: it is made a" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "\0\0\0", "{", "a: [b"])
def test_a_run_whose_config_is_empty_or_damaged_goes_on_by_its_checkpoint(
    config, stopped, whole, text
):
    (stopped / "config.yaml").write_text(text)
    with (stopped / "log.jsonl").open("a") as log:
        log.write('{"step": 3, "lo')  # cut off
    assert goes_on(config, stopped, whole)
    lines = (stopped / "log.jsonl").read_text().splitlines()
    assert sum(not line.endswith("}") for line in lines) == 1


def test_resuming_with_other_settings_names_them(config, stopped):
    changed = ["train.lr=0.1", "inputs.n.bins=4"]
    with pytest.raises(ConfigError, match="settings differ") as refused:
        mmbm.train(config, run=stopped, resume=True, overrides=changed)
    assert "train.lr is 0.1 and was 0.002" in str(refused.value)
    assert "inputs.n.bins is 4 and was" in str(refused.value)
    assert "(in Python: resume=False) to start a new run" in str(refused.value)
    (stopped / "config.yaml").write_text("")  # by its checkpoint
    with pytest.raises(ConfigError, match=r"train\.lr is 0\.1"):
        mmbm.train(config, run=stopped, resume=True, overrides=changed)


def test_two_runs_in_one_folder_are_refused_and_a_killed_one_blocks_nobody(
    config, stopped, whole, monkeypatch
):
    code = "import sys; from pathlib import Path; from mmbm.files import Lock\n"
    code += "lock = Lock(Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(stopped / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(TrainingError, match=rf"in use: another process \(number {other.pid}\)"):
        mmbm.train(config, run=stopped, resume=True)
    other.kill()
    other.communicate()
    assert goes_on(config, stopped, whole)


def test_two_trainings_begun_at_once_have_a_folder_each(config, tmp_path):
    parsed = load(config)
    with (
        Run.start(parsed, tmp_path / "run", False) as one,
        Run.start(parsed, tmp_path / "run", False) as two,
    ):
        assert [one.folder.name, two.folder.name] == ["run", "run-2"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of half a megabyte; a function that makes it larger."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield (
            place,
            lambda: subprocess.run(["mount", "-o", "remount,size=256m", str(place)], check=True),
        )
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_really_full_ends_a_run_with_a_sentence_and_it_goes_on_later(
    config, whole, small_disk
):
    place, enlarge = small_disk
    with pytest.raises(TrainingError, match=r"(?s)No space left.*--resume"):
        mmbm.train(config, run=place / "run")
    enlarge()
    assert goes_on(config, place / "run", whole)


def test_what_a_kill_left_behind_is_gone_after_the_next_start(config, stopped, whole):
    (stopped / "checkpoint.safetensors.17-abc.part").write_bytes(b"half")
    (stopped / "bundle.part").mkdir()
    (stopped.parent / "prepared" / "n.arrow.17-abc.part").write_bytes(b"half")
    assert goes_on(config, stopped, whole)
    assert not [p for p in stopped.parent.rglob("*") if p.name.endswith(".part")]


# ── media that change ────────────────────────────────────────────────────────────────────────────


def test_media_edited_while_training_leave_a_bundle_that_answers_as_it_was_trained(
    config, tmp_path, monkeypatch
):
    folder = tmp_path / "data"
    shutil.copytree(config.parent, folder)
    own = yaml.safe_load((folder / "c.yaml").read_text())
    own["data"]["table"] = str(folder / "t.csv")
    save = checkpoint.save

    def edit(*arguments):
        for i in range(40):
            Image.fromarray(np.full((8, 8, 3), 90, "u1")).save(folder / f"{i}.png")
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save", edit)
    bundle = mmbm.train(own, run=tmp_path / "run")
    assert mmbm.load(bundle.path, verify=True).verify() == 4


def test_golden_rows_are_those_that_still_are_what_was_prepared(config, tmp_path, capsys):
    folder = tmp_path / "data"
    shutil.copytree(config.parent, folder)
    own = yaml.safe_load((folder / "c.yaml").read_text())
    own["data"]["table"] = str(folder / "t.csv")
    own["train"]["golden_rows"] = 2
    parsed = parse(own)
    data = prepare(parsed, tmp_path / "prepared")
    first = int(data.splits["valid"].rows[0])
    Image.fromarray(np.full((8, 8, 3), 90, "u1")).save(folder / f"{first}.png")
    (folder / f"{int(data.splits['valid'].rows[-1])}.png").unlink()
    kept = golden.take(parsed, data)
    assert first not in kept.rows
    assert len(kept.rows) == len(kept.cells) == 2
    assert "2 rows of the valid split hold media that changed" in capsys.readouterr().err


# ── the command line ─────────────────────────────────────────────────────────────────────────────


def test_a_run_without_a_name_of_its_own_is_refused(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (".", ".."):
        with pytest.raises(MmbmError, match="name a new folder"):
            mmbm.train(tiny.config(table, epochs=1), run=folder)
