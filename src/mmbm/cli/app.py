"""The command `mmbm` itself."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a table of pictures, sounds, sentences and numbers to one trusted multimodal model.",
)


def show_version(asked: bool) -> None:
    if asked:
        from mmbm import __version__

        print(f"mmbm {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass
