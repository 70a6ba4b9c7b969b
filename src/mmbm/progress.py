"""Progress on the terminal: a bar where someone watches, nothing in a pipe. All on stderr."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
Count = Callable[[T], int]


def track(items: Iterable[T], total: int, label: str, each: Count | None = None) -> Iterator[T]:
    """Pass items through and show how far of `total`; `each(item)` is what an item counts for."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(label, total=total)
        for item in items:
            yield item
            bar.advance(task, each(item) if each else 1)


SILENCE = 5.0
"""Seconds without a word, after which the user is told how far it is."""


def heartbeat(
    items: Iterable[T], label: str, total: int | None = None, each: Count | None = None
) -> Iterator[T]:
    """Pass items through; a line every `SILENCE` seconds says how many there were, also in a pipe
    or a log. `each(item)` is what an item counts for."""
    said, done = time.monotonic(), 0
    for item in items:
        yield item
        done += each(item) if each else 1
        if time.monotonic() - said > SILENCE:
            said = time.monotonic()
            say(f"{label}: {done:,}" + (f" of {total:,}" if total else "") + " …")


def say(message: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=True).print(message, markup=False)
