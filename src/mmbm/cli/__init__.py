"""Command line: one command per verb, one file per group; no logic. Answers go to stdout, all else
to stderr."""

import os
import sys
from pathlib import Path

# isort: off
from mmbm.cli import tables, training, answers, serving, tools  # noqa: F401  # in the order of --help

# isort: on
from mmbm.cli.app import app
from mmbm.errors import Interrupted, MmbmError, ProcessLost
from mmbm.files import cure


def main() -> None:
    try:
        app()
    except MmbmError as error:
        rank = os.environ.get("RANK", "0")  # of several processes the first one reports
        if rank != "0" and isinstance(error, Interrupted | ProcessLost):
            raise SystemExit(error.status) from None
        who = f"mmbm, process {rank}" if rank != "0" else "mmbm"
        print(f"{who}: {error}", file=sys.stderr)
        raise SystemExit(error.status) from None
    except OSError as error:  # a full disk, or a folder without write permission
        print(f"mmbm: {cure(error, Path.cwd())}", file=sys.stderr)
        raise SystemExit(1) from None
    except SystemExit as end:
        if end.code == 130:  # typer's own answer to Ctrl-C is silent
            print("mmbm: interrupted.", file=sys.stderr)
        raise
