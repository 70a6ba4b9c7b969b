"""`mmbm serve`: checks the options, and starts the server."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmbm.errors import ConfigError, MissingExtra

NAME = r"[A-Za-z0-9._-]+"
"""Default name of a served model."""


def serve(
    bundle: str | Path | None = None,
    *,
    models: Iterable[str] = (),
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    threads: int | None = None,
    token_file: Path | None = None,
    log: bool = True,
    runner: str | None = None,
    indexes: Iterable[str] = (),
    agents: Iterable[str] = (),
    allow_hosts: Iterable[str] = (),
    cors: Iterable[str] = (),
    root: str = "",
    playground: bool = True,
    **limits: Any,
) -> None:
    """Serve a bundle, or several as `models=["NAME=PATH", …]`, until the process is stopped.

    indexes: for search, each built with one of the bundles: a path, or of several models
        NAME=PATH.
    agents: Python between the models, each NAME=package.module:Class; see `mmbm.serve.agent`.
    allow_hosts: names of the server besides localhost and addresses; `*` is any.
    cors: origins whose web pages may send requests: https://example.org; `*` is any.
    root: the path that a proxy puts before all others: /mine.
    playground: pages to try the models, if Gradio is installed.
    limits: see `mmbm.serve.limits.Limits`.
    """
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("Serving", "serve") from error
    from mmbm.serve import process
    from mmbm.serve.limits import Limits
    from mmbm.serve.origins import Origins

    named = models_of(bundle, models)
    found, between = indexes_of(indexes, named), agents_of(agents, named)
    token = process.read_token(token_file)
    if root and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", root):
        raise ConfigError(f"--root-path {root!r}: a path such as /mine, without a / at its end.")
    service = process.Service(
        named, Limits(**limits), token, threads, log, runner, workers, found, between,
        Origins.of(allow_hosts, cors), root, playground,
    )  # fmt: skip
    process.serve(service, host, port)


def models_of(bundle: str | Path | None, models: Iterable[str]) -> dict[str, Path]:
    """Bundles by the name they are served under."""
    from mmbm.serve import process

    named = {process.name_of(Path(bundle)): Path(bundle)} if bundle else {}
    for text in models:
        name, equals, path = text.partition("=")
        if not equals or not re.fullmatch(NAME, name) or name in named:
            raise ConfigError(
                f"--model {text!r}: write NAME=BUNDLE, each name once, of letters, digits, . _ -"
            )
        named[name] = Path(path)
    if not named:
        raise ConfigError("Give a bundle to serve, or several as --model NAME=BUNDLE.")
    return named


def indexes_of(indexes: Iterable[str], models: dict[str, Path]) -> dict[str, str]:
    """Indexes by the name of their model."""
    found: dict[str, str] = {}
    for text in indexes:
        name, equals, path = text.partition("=")
        if not equals and len(models) == 1:
            name, path = next(iter(models)), text
        if name not in models or name in found:
            raise ConfigError(
                f"--index {text!r}: write NAME=INDEX, once for each model; models: "
                f"{', '.join(models)}."
            )
        found[name] = path
    return found


def agents_of(agents: Iterable[str], models: dict[str, Path]) -> dict[str, str]:
    """`package.module:Class` by the name that an agent is served under."""
    found: dict[str, str] = {}
    for text in agents:
        name, _, kind = text.partition("=")
        if ":" not in kind or not re.fullmatch(NAME, name) or name in {**models, **found}:
            raise ConfigError(
                f"--agent {text!r}: write NAME=package.module:Class, a name that no model has, of "
                "letters, digits, . _ -"
            )
        found[name] = kind
    return found
