"""Writing a file: whole or absent, whatever happens between."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm import files


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.written(path) as part:  # noqa: PT012
        part.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    files.write_text(path, "new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_takes_the_place_of_an_older_one_with_all_that_is_in_it(tmp_path):
    path = tmp_path / "bundle"
    for text in ("first", "second"):
        with files.written_folder(path) as part:
            (part / "inside").mkdir()
            (part / "inside" / "a.txt").write_text(text)
        assert (path / "inside/a.txt").read_text() == text
    with pytest.raises(RuntimeError), files.written_folder(path) as part:
        raise RuntimeError
    assert (path / "inside/a.txt").read_text() == "second"
    assert os.listdir(tmp_path) == ["bundle"]


WRITES = """
import sys, time
from pathlib import Path
from mmbm import files
with files.written(Path(sys.argv[1])) as part:
    part.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks that let their owner write")
def test_what_a_killed_process_left_is_removed_and_what_another_one_writes_is_not(tmp_path):
    path = tmp_path / "a.txt"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "writing\n"
    files.clean(tmp_path)
    assert len(os.listdir(tmp_path)) == 1
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert len(os.listdir(tmp_path)) == 1
    files.clean(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_lock_is_had_once_and_ends_with_its_process(tmp_path):
    held = files.Lock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        files.Lock(tmp_path / "lock")
    held.release()
    code = "import sys; from pathlib import Path; from mmbm.files import Lock\n"
    code += "lock = Lock(Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(BlockingIOError):
        files.Lock(tmp_path / "lock")
    assert files.Lock.holder(tmp_path / "lock") == str(other.pid)
    other.kill()
    other.communicate()
    files.Lock(tmp_path / "lock").release()


@given(st.binary(min_size=1, max_size=200), st.data())
def test_any_flipped_bit_or_cut_is_found(tmp_path_factory, content, data):
    path = tmp_path_factory.mktemp("sealed") / "a.arrow"
    path.write_bytes(content)
    assert not files.sound(path)
    files.seal(path)
    assert files.sound(path)
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(flipped), content[:place], content + b"\0"):
        path.write_bytes(damaged)
        assert not files.sound(path)


@pytest.mark.parametrize(
    ("code", "cure"), [(errno.ENOSPC, "Free some space"), (errno.EROFS, "may be written")]
)
def test_a_disk_that_refuses_is_explained_with_its_cure(code, cure, tmp_path):
    error = OSError(code, os.strerror(code), str(tmp_path / "x"))
    assert str(tmp_path / "x") in files.cure(error, tmp_path)
    assert cure in files.cure(error, tmp_path)


def test_safetensors_own_error_of_a_full_disk_becomes_an_oserror(tmp_path):
    from safetensors import SafetensorError

    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(OSError, match="No space left") as found, files.written(tmp_path / "x"):
        raise SafetensorError(said)
    assert found.value.errno == errno.ENOSPC
    assert found.value.filename == str(tmp_path / "x")


# ── writers ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stopped(monkeypatch):
    """Every write of a file whose name ends so is stopped before it takes its place."""

    def at(ending: str) -> None:
        def step(name: str, path: Path) -> None:
            if name == "written" and ending in path.name:
                raise KeyboardInterrupt

        monkeypatch.setattr(files, "step", step)

    return at


def test_a_config_of_init_is_whole_or_as_it_was(tmp_path, stopped):
    from mmbm.init import write_config

    path = tmp_path / "c.yaml"
    write_config("data: 1\n", path)
    before = path.read_text()
    stopped("c.yaml")
    with pytest.raises(KeyboardInterrupt):
        write_config("data: 2\n", path)
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["c.yaml"]


def test_imported_weights_are_whole_or_absent(tmp_path, stopped):
    from mmbm.integrations.weights import copy

    source, folder = tmp_path / "source", tmp_path / "folder"
    source.mkdir()
    (source / "config.json").write_text('{"model_type": "bert"}')
    (source / "model.safetensors").write_bytes(b"weights")
    stopped("model.safetensors")
    with pytest.raises(KeyboardInterrupt):
        copy(source, folder)
    assert os.listdir(folder) == ["config.json"]


def test_a_package_is_whole_or_written_anew(bundle, tmp_path, stopped, monkeypatch):
    from mmbm.export import package

    monkeypatch.setattr(package, "copied_wheel", lambda folder, wheel: None)
    folder = tmp_path / "p"
    stopped("Dockerfile")
    with pytest.raises(KeyboardInterrupt):
        package.package(bundle, folder, name="m")
    assert not [path for path in folder.rglob("*") if path.name.endswith(files.PART)]
    assert not (folder / "Dockerfile").exists()
    stopped("nothing")
    package.package(bundle, folder, name="m")
    assert (folder / "Dockerfile").exists()
    assert (folder / "bundle/manifest.json").exists()
