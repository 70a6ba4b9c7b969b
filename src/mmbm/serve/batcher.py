"""Dynamic batching: rows that arrive while a batch runs form the next; idle models never wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from mmbm.serve.limits import overloaded

Answer = Callable[[list[Any]], list[Any]]
NEAR = 0.05
"""Lengths that differ by less share a batch: a twentieth of the maximum length."""


@dataclass(slots=True, eq=False)
class Waiting:
    item: Any
    size: float
    """Length of its longest cell, 0 to 1: a batch is padded to it."""
    answer: asyncio.Future


class Batcher:
    """`answer(items) -> results` runs in `thread`, one batch at a time, of at most `most` rows."""

    def __init__(self, answer: Answer, thread: Executor, most: int, queue: int):
        self.answer, self.thread, self.most, self.queue = answer, thread, most, queue
        self.waiting: deque[Waiting] = deque()
        self.running: asyncio.Task | None = None
        self._room = asyncio.Event()

    async def submit(self, item: Any, size: float = 0.0, patient: bool = False) -> Any:
        """The item's result. Raises a RequestError if too many wait, unless `patient`: then it
        waits for room. A caller that is cancelled removes its row from the queue."""
        while len(self.waiting) >= self.queue:
            if not patient:
                raise overloaded()
            self._room.clear()
            await self._room.wait()
        one = Waiting(item, size, asyncio.get_running_loop().create_future())
        self.waiting.append(one)
        if self.running is None:
            self.running = asyncio.create_task(self._run())
        try:
            return await one.answer
        except asyncio.CancelledError:
            if one in self.waiting:
                self.waiting.remove(one)
            raise

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self.waiting:
                batch = self.take()
                self._room.set()
                work = loop.run_in_executor(self.thread, self.answer, [one.item for one in batch])
                (outcome,) = await asyncio.gather(work, return_exceptions=True)
                for i, one in enumerate(batch):
                    if one.answer.done():  # its caller is gone
                        continue
                    if isinstance(outcome, BaseException):
                        one.answer.set_exception(outcome)
                    else:
                        one.answer.set_result(outcome[i])
        finally:
            self.running = None

    def take(self) -> list[Waiting]:
        """The row that waits longest, and those most similar in length: one long clip doesn't pad a
        whole batch, and no row starves."""
        first = self.waiting[0]
        if first.size > 1:  # a recording of many windows is a batch by itself
            return [self.waiting.popleft()]
        low, high = first.size / 2 - NEAR, first.size * 2 + NEAR
        batch = [one for one in self.waiting if low <= one.size <= high][: self.most]
        taken = set(map(id, batch))
        self.waiting = deque(one for one in self.waiting if id(one) not in taken)
        return batch
