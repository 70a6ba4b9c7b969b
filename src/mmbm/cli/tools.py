"""Commands on the installation and on caches."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mmbm.cli.app import app
from mmbm.cli.common import Json


@app.command()
def doctor(json_: Json = False) -> None:
    """Show what is installed, what is missing for which feature, and how to get it."""
    from mmbm.doctor import examine, show

    found = examine()
    if json_:
        print(json.dumps(found, ensure_ascii=False))
    else:
        show(found)


@app.command()
def cache(
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    clear: Annotated[bool, typer.Option("--clear", help="Remove them.")] = False,
    unused: Annotated[bool, typer.Option("--unused", help="Those that no run has used.")] = False,
    json_: Json = False,
) -> None:
    """List the prepared tables, cells and features: their size, age, and the runs that use them."""
    from mmbm.data import cache as prepared

    if clear:
        removed, kept = prepared.clear(runs, unused)
        print(f"Removed {len(removed)} files, {prepared.total(removed)}.")
        if kept:
            print(f"{len(kept)} files stay: runs that use them are being trained.")
        return
    found = [one for one in prepared.entries(runs) if not (unused and one.runs)]
    if json_:
        for one in found:
            print(json.dumps({**one._asdict(), "path": str(one.path)}, ensure_ascii=False))
    else:
        prepared.show(found)
