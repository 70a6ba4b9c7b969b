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
        follower = os.environ.get("RANK", "0") != "0"  # of several processes the first one reports
        if follower and isinstance(error, Interrupted | ProcessLost):
            raise SystemExit(error.status) from None
        print(f"mmbm: {error}", file=sys.stderr)
        raise SystemExit(error.status) from None
    except OSError as error:  # a full disk, or a folder without write permission
        print(f"mmbm: {cure(error, Path.cwd())}", file=sys.stderr)
        raise SystemExit(1) from None
    except SystemExit as end:
        if end.code == 130:  # typer's own answer to Ctrl-C is silent
            print("mmbm: interrupted.", file=sys.stderr)
        raise
