"""What a container of a bundle weighs: what its Dockerfile installs, in a fresh place."""

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

MEGABYTE = 1e6
PROMISED = 750
OPTIONAL = {
    "av": "sounds in MP3, M4A, WebM and the like; WAV, FLAC, Ogg are read without",
    "hf_xet": "a download of models that a server never makes",
    "huggingface_hub": "the same",
    "uvloop": "a faster event loop",
}
"""Packages that a user may uninstall in the image, and what is then lost."""


def size(path: Path) -> float:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(f.lstat().st_size for f in files if not f.is_dir()) / MEGABYTE


def installed(folder: Path) -> Path:
    """The site-packages after the RUN line of the folder's Dockerfile, without pip itself."""
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    (line,) = re.findall(r"^RUN pip (.*)$", text, re.M)
    target = folder / "packages"
    command = [sys.executable, "-m", "pip", *shlex.split(line), "--target", target, "-q"]
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", help="A bundle folder.")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "package"
        command = [sys.executable, "-m", "mmbm.cli", "package", given.bundle, "-o", folder]
        subprocess.run(command, check=True)
        packages = installed(folder)
        parts = {path.name.partition(".libs")[0]: 0.0 for path in packages.iterdir()}
        for path in packages.iterdir():
            parts[path.name.partition(".libs")[0]] += size(path)
        whole, bundle = sum(parts.values()), size(folder / "bundle")
    largest = sorted(parts.items(), key=lambda part: -part[1])[:8]
    spare = {name: round(parts.get(name, 0.0), 1) for name in OPTIONAL}
    if given.json:
        print(json.dumps({"packages": whole, "bundle": bundle, "spare": spare}))
    else:
        print(f"packages {whole:.0f} MB + bundle {bundle:.1f} MB; promised: at most {PROMISED}")
        print("largest:", ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in largest))
        for name, lost in OPTIONAL.items():
            print(f"without {name}: {spare[name]:.0f} MB less; lost: {lost}")
    assert whole + bundle <= PROMISED, "larger than promised"


if __name__ == "__main__":
    main()
