"""An index that was damaged or is of another version is refused."""

import os
import shutil

import pytest

import mmbm
from mmbm.errors import MmbmError

DAMAGE = {
    "a flipped bit": lambda file: file.write_bytes(flipped(file.read_bytes())),
    "an end that is missing": lambda file: file.write_bytes(file.read_bytes()[:-5]),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "nothing": lambda file: file.unlink(),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "a link to no end": lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


def flipped(raw: bytes) -> bytes:
    place = len(raw) // 2
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_index_is_refused_by_a_sentence(index, tmp_path, how):
    files = [f for f in index.path.rglob("*") if f.is_file() and f.name != "quarantine.csv"]
    for i, file in enumerate(files):
        copy = shutil.copytree(index.path, tmp_path / str(i))
        DAMAGE[how](copy / file.relative_to(index.path))
        with pytest.raises(MmbmError, match="no index of mmbm"):
            mmbm.load_index(copy)


def test_a_later_version_of_an_index_that_was_not_written_with_it_is_refused(index, tmp_path):
    copy = shutil.copytree(index.path, tmp_path / "copy")
    (made,) = copy.glob("rows.lance/_versions/*.manifest")
    shutil.copy(made, made.with_name("1.manifest"))
    with pytest.raises(MmbmError, match="not written with it"):
        mmbm.load_index(copy)
