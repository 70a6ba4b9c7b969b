"""Minimum speed of a client in sending and reading: an initial grace time, then a least rate."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Message, Receive

from mmbm.serve.limits import Limits, RequestError

T = TypeVar("T")


class TooSlow(Exception):
    """A client doesn't read its answer: it is disconnected."""


class Pace:
    """One direction of a connection. The server's own time doesn't count."""

    def __init__(self, limits: Limits):
        self.patience, self.rate = limits.deadline, limits.rate
        self.waited = 0.0  # seconds of waiting for the client
        self.size = 0  # bytes transferred

    async def wait(self, work: Awaitable[T]) -> T:
        """The result of `work`, which waits for the client. Raises TimeoutError when its time is
        over."""
        left = self.patience + self.size / self.rate - self.waited
        start = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(left, self.patience))):
                return await work
        finally:
            self.waited += time.monotonic() - start


class Body:
    """`receive` of a request that refuses a body which is too large (before it is read, if its
    length is given), too slow, or incomplete after `total` seconds."""

    def __init__(
        self,
        receive: Receive,
        headers: dict[bytes, bytes],
        most: float,
        total: float,
        limits: Limits,
    ):
        self.receive, self.most, self.pace = receive, int(most * 1e6), Pace(limits)
        self.end, self.total = time.monotonic() + total, total
        self.whole = False
        length = headers.get(b"content-length", b"0")
        self.given = int(length) if length.isdigit() and len(length) < 20 else 0

    async def __call__(self) -> Message:
        if self.given > self.most:
            raise self._too_large()
        if self.whole:  # from here on only a disconnect can arrive
            return await self.receive()
        try:
            message = await self.pace.wait(self.receive())
        except TimeoutError:
            raise RequestError(
                408, "The body stopped coming, or comes too slowly.", reason="slow_body"
            ) from None
        if message["type"] == "http.request":
            self.pace.size += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.pace.size > self.most:
                raise self._too_large()
        if time.monotonic() > self.end:
            raise RequestError(
                408, f"The body is not whole after {self.total:g} s.", reason="slow_body"
            )
        return message

    def _too_large(self) -> RequestError:
        return RequestError(
            413, f"The body has more than {self.most / 1e6:g} MB.", reason="too_large"
        )
