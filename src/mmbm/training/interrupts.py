"""Ctrl-C and SIGTERM while training."""

import signal
import threading
from typing import Any


class Interrupts:
    """Used as a context: Ctrl-C or SIGTERM asks a run to stop after its step (`stop`); a second one
    stops at once. Only the main thread of a process gets signals."""

    def __init__(self) -> None:
        self.stop = False
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: Any) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: Any) -> None:
        self.stop = True
        signal.signal(number, self.previous[number])
