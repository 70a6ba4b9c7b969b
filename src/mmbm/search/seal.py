"""Hashes of an index's files in a folder: LanceDB has none, and a flipped bit of an embedding would
go unnoticed."""

import json
from pathlib import Path

from mmbm.bundle.manifest import all_files, check_name, parse_json, regular, sha256
from mmbm.errors import BundleError, MmbmError
from mmbm.files import write_text

FILES = "files.json"


def write(folder: Path, table: str) -> None:
    """Record the hashes of the files of `table`, once all are written."""
    files = sorted(name for name in all_files(folder) if name.startswith(f"{table}.lance/"))
    hashes = {name: sha256(folder / name) for name in files}
    write_text(folder / FILES, json.dumps(hashes, indent=1))


def check(folder: Path, table: str) -> None:
    """Raises MmbmError unless the files of `table` are unchanged: regular, complete, and no
    others."""
    cure = f"Make it again: mmbm index BUNDLE TABLE -o {folder}"
    try:
        regular(folder, FILES)
        hashes = parse_json((folder / FILES).read_text(encoding="utf-8"), folder / FILES)
        if not isinstance(hashes, dict) or not hashes:
            raise BundleError(f"{folder / FILES} lists no files.")
        for name, expected in hashes.items():
            check_name(folder, name)
            regular(folder, name)
            if sha256(folder / name) != expected:
                raise BundleError(f"{name} is not the file that was written.")
        versions = f"{table}.lance/_versions/"  # a later one would be read in place of this
        others = sorted(n for n in all_files(folder) - set(hashes) if n.startswith(versions))
        if others:
            raise BundleError(f"{others[0]} was not written with it.")
    except (BundleError, UnicodeDecodeError, OSError) as error:
        raise MmbmError(f"{folder} is no index of mmbm, or damaged: {error} {cure}") from error
