"""Progress: a bar on a terminal, a line every few seconds in a pipe. All on stderr."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
Count = Callable[[T], int]
QUIET = 5.0
"""Seconds after which a progress message is printed (again)."""
silent = False
"""Whether output is silent: of several processes only the first one prints."""


def track(items: Iterable[T], total: int, label: str, each: Count | None = None) -> Iterator[T]:
    """Pass items through and show progress towards `total`; `each(item)` is an item's count."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from heartbeat(items, label, total, each)
        return
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        for item in items:
            yield item
            bar.advance(task, each(item) if each else 1)


def heartbeat(
    items: Iterable[T], label: str, total: int | None = None, each: Count | None = None
) -> Iterator[T]:
    """Pass items through; a line every `QUIET` seconds reports their number, also in a pipe or a
    log. `each(item)` is an item's count."""
    said, done = time.monotonic(), 0
    for item in items:
        yield item
        done += each(item) if each else 1
        if time.monotonic() - said > QUIET:
            said = time.monotonic()
            say(f"{label}: {done:,}" + (f" of {total:,}" if total else "") + " …")


@contextmanager
def stage(label: str) -> Iterator[None]:
    """A long task without measurable progress: reported every few seconds."""
    over, start = threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(QUIET):
            say(f"{label} … {time.monotonic() - start:.0f} s")

    thread = threading.Thread(target=tell, daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def say(message: str) -> None:
    if silent:
        return
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=True).print(message, markup=False)
