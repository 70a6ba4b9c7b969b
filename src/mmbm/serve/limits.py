"""Limits of the server, and its refusals."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

OPENAI = "/v1/"
"""Paths under which errors have the format of OpenAI's API."""


class Limits(NamedTuple):
    """Every bound has a flag of `mmbm serve`."""

    megabytes: float = 32.0
    """Largest body of a request."""
    batch_megabytes: float = 2000.0
    """Largest body of /predict/batch, which is kept in a temporary file."""
    pixels: int = 25_000_000
    """An image with more (height times width) is refused before it is decoded."""
    clip_seconds: float = 600.0
    """A longer audio clip is refused; how much of it is used is the model's own setting."""
    rows: int = 256
    """Rows in one request; more belong to /predict/batch."""
    queue: int = 256
    """Rows that wait for the model; above it a request gets 429."""
    requests: int = 512
    """Requests in progress; above it 503."""
    streams: int = 16
    """Concurrent streaming clients; above it 503."""
    deadline: float = 30.0
    """Seconds from a request's first byte to its answer; above it 503. A client that sends or reads
    nothing for so long is disconnected."""
    batch_deadline: float = 3600.0
    """The same for /predict/batch, streams and open pages: then they are disconnected."""
    rate: float = 1000.0
    """Minimum bytes per second that a client must send and read, once `deadline` is over."""
    pages: int = 64
    """Concurrent requests of open pages of the playground; above it 503."""
    batch: int = 32
    """Rows per batch."""


class RequestError(Exception):
    """A refusal with a status of 4xx or 503, and its reason."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str = "bad_request",
        row: int | None = None,
        column: str | None = None,
        retry_after: int | None = None,
    ):
        super().__init__(message)
        self.status, self.message, self.reason = status, message, reason
        self.row, self.column, self.retry_after = row, column, retry_after

    def body(self) -> dict:
        where = {"row": self.row, "column": self.column}
        known = {name: value for name, value in where.items() if value is not None}
        return {"error": {"message": self.message, "reason": self.reason, **known}}

    def as_openai(self) -> tuple[int, dict[str, Any]]:
        """The status and the body from which OpenAI's clients choose an exception class."""
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
            self.status, "server_error" if self.status >= 500 else "invalid_request_error"
        )
        said = {"message": self.message, "type": kind, "param": self.column, "code": self.reason}
        return 400 if self.status == 422 else self.status, {"error": said}


@contextlib.asynccontextmanager
async def deadline(limits: Limits) -> AsyncIterator[None]:
    """Raises a RequestError if the block takes longer than a request may."""
    try:
        async with asyncio.timeout(limits.deadline):
            yield
    except TimeoutError:
        raise RequestError(
            503, f"No answer within {limits.deadline:g} s.", reason="deadline", retry_after=1
        ) from None


def overloaded() -> RequestError:
    return RequestError(
        429, "Too many rows are waiting. Try again shortly.", reason="queue_full", retry_after=1
    )
