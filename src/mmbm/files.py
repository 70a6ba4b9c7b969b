"""Atomic file writes: to a temporary name, flushed, synced, then moved. A file is complete or
absent.

Every file and folder that mmbm keeps (checkpoints, bundles, prepared data, caches, reports) is
written by `written` or `written_folder`. Leftovers of a killed process end in `.part`, and `clean`
removes them. A file that is read much later can have a checksum file: `seal` and `sound`.
"""

import contextlib
import errno
import os
import re
import shutil
import sys
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PART = ".part"
SUM = ".sum"
BLOCK = 1 << 22
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""Errors of file systems without locks, such as some network ones."""
UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}


def step(name: str, path: Path) -> None:
    """Hook between the steps of every write. It does nothing: a fault-injection test puts a
    function here that kills the process, or raises, at the n-th call."""


@contextlib.contextmanager
def written(path: Path, sync: bool = True) -> Iterator[Path]:
    """The temporary name of a file to write, which replaces `path` in the end.

    sync: wait until the disk has it; not needed for what is rebuilt if the machine stops.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}{PART}")
    with _claimed(part):
        try:
            step("open", part)
            with _as_os_errors(path):
                yield part
            step("written", part)
            if sync:
                _sync(part)
            step("synced", part)
            part.replace(path)
            step("renamed", path)
            if sync:
                _sync(path.parent)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def written_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill, which replaces `path` in the end, with its whole content. Two
    processes must not write the same one at the same time: the caller locks its folder."""
    part, old = path.with_name(path.name + PART), path.with_name(f"{path.name}.old{PART}")
    remove(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.mkdir()
        step("open", part)
        with _as_os_errors(path):
            yield part
        step("written", part)
        for file in sorted(part.rglob("*")):
            _sync(file)
        step("synced", part)
        if path.exists():
            remove(old)
            path.rename(old)
        part.rename(path)
        step("renamed", path)
        _sync(path.parent)
    finally:
        remove(part)
        remove(old)


def write_text(path: Path, text: str) -> None:
    with written(path) as part:
        part.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    """A file or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder; 0 if there is none."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def clean(folder: Path, locked: bool = False) -> None:
    """Remove incomplete files of killed processes. Those that another process is writing stay,
    unless the folder is `locked` by this process, which excludes others."""
    for part in folder.glob(f"*{PART}"):
        if locked:
            remove(part)
        elif part.is_file() and sys.platform != "win32":
            with contextlib.suppress(OSError), part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink(missing_ok=True)


# ── a folder that one process uses ───────────────────────────────────────────────────────────────


class Lock:
    """A lock of the operating system on a file: it ends with its process in any case."""

    def __init__(self, path: Path):
        """Raises BlockingIOError if another process, or another part of this one, has it."""
        self.path = path
        self._file = path.open("a+b")
        try:
            _take(self._file)
        except OSError as error:
            if error.errno in NO_LOCKS:  # no locking is possible here
                return
            self._file.close()
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK):
                raise BlockingIOError(errno.EAGAIN, "is locked", str(path)) from error
            raise
        with contextlib.suppress(OSError):  # the owner, for messages; not on a full disk
            self._file.truncate(0)
            self._file.write(str(os.getpid()).encode())
            self._file.flush()

    def release(self) -> None:
        self._file.close()

    @staticmethod
    def holder(path: Path) -> str:
        """The number of the process that has, or last had, the lock."""
        try:
            return path.read_text(encoding="utf-8").strip() or "?"
        except OSError:
            return "?"


def _take(file) -> None:
    if sys.platform == "win32":
        file.seek(1 << 30)  # a place beyond its text, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def _claimed(part: Path) -> Iterator[None]:
    """Protects it from `clean` of another process. (On Windows a lock would block its own
    writer.)"""
    if sys.platform == "win32":
        yield
        return
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield


# ── a file that is read again much later ─────────────────────────────────────────────────────────


def seal(path: Path) -> None:
    """Write the checksum of a file next to it."""
    with written(path.with_name(path.name + SUM), sync=False) as part:
        part.write_text(_checksum(path), encoding="utf-8")


def sound(path: Path) -> bool:
    """Whether a file exists and matches its checksum: no bit flipped, nothing cut off."""
    beside = path.with_name(path.name + SUM)
    try:
        return path.is_file() and beside.read_bytes() == _checksum(path).encode()
    except FileNotFoundError:
        return False


def sum_of(path: Path) -> str | None:
    """The checksum that a file was sealed with; None without one."""
    try:
        return path.with_name(path.name + SUM).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _checksum(path: Path) -> str:
    """Size and CRC-32, which detects every burst of up to 32 wrong bits."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            crc = zlib.crc32(block, crc)
        return f"{file.tell()} {crc:08x}"


# ── what can go wrong ────────────────────────────────────────────────────────────────────────────


def cure(error: OSError, folder: Path) -> str:
    """Why nothing can be written, and the fix, as a message."""
    where = error.filename or folder
    why = error.strerror or str(error)
    if error.errno in FULL:
        return f"{where}: can't be written: {why}. Free some space, or allow larger files."
    if error.errno in UNWRITABLE:
        return f"{where}: can't be written: {why}. Choose a folder that may be written."
    return f"{where}: {why}."


_CODE = re.compile(r"(?:code: |os error )(\d+)")


@contextlib.contextmanager
def _as_os_errors(path: Path) -> Iterator[None]:
    """safetensors reports a full disk by an error of its own."""
    try:
        yield
    except SafetensorError as error:
        code = _CODE.search(str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error


def _sync(path: Path) -> None:
    if path.is_dir():
        if sys.platform == "win32":  # its folders can't be synced
            return
        handle = os.open(path, os.O_RDONLY)
    else:
        handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
