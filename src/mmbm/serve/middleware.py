"""ASGI middleware: authentication; limits on concurrency, size and time; headers, log, counts."""

import asyncio
import hmac
import json
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmbm.serve.limits import OPENAI, Limits, RequestError
from mmbm.serve.metrics import Metrics
from mmbm.serve.origins import Origins
from mmbm.serve.pace import Body, Pace, TooSlow

OPEN = ("/health/",)
"""Paths that need no token: probes of an orchestrator."""
UPLOADS = 10
"""Factor on the deadline after which a body that no handler bounds must be complete."""
ABORT = "mmbm.abort"
"""Key of a scope: disconnects the client immediately."""
PLAIN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
CLOSED = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""For all but pages: nothing in an answer may be executed or loaded."""


CLOSING = (408, 413, 503)
"""Answers to requests that are too slow or too large: the rest of a body is not read."""


class Guard:
    """ASGI middleware. The wrapped app only sees permitted requests."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        token: str | None,
        log: TextIO | None,
        origins: Origins | None = None,
        root: str = "",
    ):
        self.app, self.limits, self.metrics, self.log = app, limits, metrics, log
        self.token = token.encode() if token else None
        self.origins, self.root = origins or Origins(), root
        self.active = self.streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        name = given.decode() if PLAIN_ID.fullmatch(given) else uuid.uuid4().hex
        path = scope["path"].removeprefix(self.root) if self.root else scope["path"]
        note: dict[str, Any] = {"id": name, "path": path}
        # Set by handlers, shown in the log: route, model, rows.
        scope = {**scope, "mmbm": note, "root_path": self.root, "path": f"{self.root}{path}"}
        body = self._body(scope, path, headers, receive)
        sender = Sender(send, name, self.limits, partial(unread, headers, body))
        start = time.perf_counter()
        stream, whole = scope["type"] == "websocket", None
        self.active += 1
        self.streams += stream
        self.metrics.active.inc()
        try:
            refusal = self._refusal(scope, headers)
            if refusal:
                await refuse(refusal, scope)(scope, receive, sender)
                self.metrics.rejected.labels(refusal.reason).inc()
            else:
                async with asyncio.timeout(self.limits.batch_deadline) as whole:
                    await self.app(scope, body, sender)
        except (TooSlow, TimeoutError) as error:
            if isinstance(error, TimeoutError) and not (whole and whole.expired()):
                raise  # of another client
            note["status"] = 499
            scope.get(ABORT, nothing)()  # closing would wait for the client to read
        finally:
            self.active -= 1
            self.streams -= stream
            self.metrics.active.dec()
            self._note(scope, note, sender, time.perf_counter() - start)

    def _body(
        self, scope: Scope, path: str, headers: dict[bytes, bytes], receive: Receive
    ) -> Receive:
        if scope["type"] != "http":
            return receive
        limits, batch = self.limits, path.endswith("/predict/batch")
        most = limits.batch_megabytes if batch else limits.megabytes
        total = limits.batch_deadline if batch else UPLOADS * limits.deadline
        return Body(receive, headers, most, total, limits)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> RequestError | None:
        free = scope["mmbm"]["path"].startswith(OPEN)
        if not free:
            asked = self.origins.refusal(scope.get("method", "WEBSOCKET"), headers)
            if asked:
                return asked
        if self.token and not free:
            sent = headers.get(b"authorization", b"")
            scheme, _, given = sent.partition(b" ")
            if not (hmac.compare_digest(given, self.token) and scheme.lower() == b"bearer"):
                return RequestError(
                    401, "A bearer token is needed, and this is not it.", reason="token"
                )
        if self.active > self.limits.requests and not free:
            return RequestError(
                503, "Too many requests are under way.", reason="too_many_requests", retry_after=1
            )
        if self.streams > self.limits.streams and scope["type"] == "websocket":
            return RequestError(
                503, f"{self.limits.streams} clients stream already.", reason="too_many_streams",
                retry_after=5,
            )  # fmt: skip
        return None

    def _note(self, scope: Scope, note: dict, sender: "Sender", seconds: float) -> None:
        route = note.get("route", "other")
        status = note.pop("status", None) or sender.status or 499  # 499: client disconnected
        method = scope.get("method", "WEBSOCKET")
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if not self.log:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "id": note["id"],
            "client": (scope.get("client") or ("", 0))[0],
            "method": method,
            "path": note.pop("path"),
            "status": status,
            "ms": round(1000 * seconds, 2),
            **{key: value for key, value in note.items() if key not in ("id", "route")},
        }
        print(json.dumps(line), file=self.log, flush=True)


class Sender:
    """Adds headers to an answer, records its status, and gives up on a client that doesn't read it.
    Raises TooSlow."""

    def __init__(self, send: Send, name: str, limits: Limits, unread: Callable[[], bool]):
        """unread: whether more of the request is still to come."""
        self.send, self.name, self.pace = send, name, Pace(limits)
        self.unread = unread
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
            headers = list(message.get("headers", []))
            page = any(k == b"content-type" and v.startswith(b"text/html") for k, v in headers)
            sent = {key for key, _ in headers}
            extra = [*HEADERS, *([] if page else [CLOSED]), (b"x-request-id", self.name.encode())]
            headers += [pair for pair in extra if pair[0] not in sent]
            if self.status in CLOSING and self.unread():
                headers.append((b"connection", b"close"))  # else it could go on sending forever
            message = {**message, "headers": headers}
        elif message["type"] == "websocket.accept":
            self.status = 101
        self.pace.size += len(message.get("body", b""))
        try:
            await self.pace.wait(self.send(message))
        except TimeoutError:
            raise TooSlow from None


def unread(headers: dict[bytes, bytes], body: Receive) -> bool:
    """Whether a request's body is incomplete."""
    given = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
    return given and isinstance(body, Body) and not body.whole


def nothing() -> None:
    """Without a connection to cut."""


def refuse(refusal: RequestError, scope: Scope) -> JSONResponse:
    headers = {}
    if refusal.retry_after:
        headers["retry-after"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if scope["mmbm"]["path"].startswith(OPENAI):
        status, body = refusal.as_openai()
        return JSONResponse(body, status, headers)
    return JSONResponse({**refusal.body(), "id": scope["mmbm"]["id"]}, refusal.status, headers)


async def or_gone(work: Any, receive: Receive) -> Any:
    """The result of `work`, which is cancelled when the client disconnects: then None."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(disconnect(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for one in (task, gone):
            one.cancel()


async def disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
