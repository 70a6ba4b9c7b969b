"""How long `mmbm --help` takes against its imports alone; which heavy packages it imports."""

import subprocess
import sys

from side_by_side import options, show, speed

HEAVY = ("torch", "onnxruntime", "pyarrow", "numpy", "PIL", "pydantic", "sklearn", "pandas")


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    return done.stderr


def main() -> None:
    given = options(__doc__).parse_args()
    ratio = speed(
        "mmbm --help / import typer, rich",
        lambda _: run("-m", "mmbm.cli", "--help"),
        lambda _: run("-c", "import typer, rich.console, rich.panel, rich.table"),
        1,
        "processes/s",
        inside=False,
    )
    lines = run("-X", "importtime", "-m", "mmbm.cli", "--help").splitlines()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    heavy = [name for name in HEAVY if name in imported]
    show(
        f"start: {1 / ratio.ours:.2f} s; imports of {', '.join(HEAVY)}: {heavy}",
        [ratio],
        given.json,
    )


if __name__ == "__main__":
    main()
