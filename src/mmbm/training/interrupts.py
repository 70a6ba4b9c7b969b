"""Ctrl-C and SIGTERM during training."""

import signal
import threading
from typing import Any


class Interrupts:
    """Context manager: Ctrl-C or SIGTERM requests a stop after the current step (`stop`); a second
    one stops immediately. Only the main thread of a process gets signals."""

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
