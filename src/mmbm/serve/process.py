"""Server process, or several that share a port: start, reload, drain."""

import asyncio
import contextlib
import gc
import ipaddress
import os
import re
import secrets
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.supervisors import Multiprocess

from mmbm.console import say
from mmbm.errors import MmbmError
from mmbm.serve.limits import Limits
from mmbm.serve.middleware import ABORT
from mmbm.serve.origins import Origins

LINGER = 5
"""Seconds after which memory of old versions is released."""
DRAIN = 30
"""Seconds that requests in progress get to finish after SIGTERM."""
IDLE = 65
"""Keep-alive seconds of an idle connection: longer than the 60 of usual load balancers."""
HEAD = 10
"""Seconds that a client has for the head of its request."""
BACKLOG = 2048
HEAD_BYTES = 1 << 16
"""Maximum bytes of a head, and of other data between two pieces of a body."""
CONNECTIONS = 4096
"""Concurrent connections; one more is closed immediately."""
MESSAGE = 1 << 20
"""Bytes of the largest message of a stream."""


ORIGINS = Origins()
OPEN_TO_ALL = """\
WARNING: {} can be reached from other machines, and no token is asked for:
         whoever reaches this port can use the models, the index and the playground.
         Give a token (--token-file FILE), or listen on this machine only (--host 127.0.0.1)."""


@dataclass(frozen=True)
class Service:
    """Settings of a serving process."""

    models: dict[str, Path]
    limits: Limits
    token: str | None = None
    threads: int | None = None
    log: bool = True
    runner: str | None = None
    workers: int = 1
    indexes: Mapping[str, str] = field(default_factory=dict)
    """Of models that can be searched, by name."""
    agents: Mapping[str, str] = field(default_factory=dict)
    """package.module:Class by name."""
    origins: Origins = ORIGINS
    root: str = ""
    """The path that a proxy puts before every path: /models/mine."""
    playground: bool = True
    """Whether there is a playground, with one process only."""

    def __call__(self) -> Any:
        """The ASGI app, once every bundle's golden rows are verified: uvicorn's app factory."""
        from prometheus_client import disable_created_metrics
        from starlette.middleware.cors import CORSMiddleware

        from mmbm.bundle import foreign
        from mmbm.search import load_index
        from mmbm.serve.agent import Agent
        from mmbm.serve.app import create
        from mmbm.serve.metrics import Metrics
        from mmbm.serve.middleware import Guard
        from mmbm.serve.model_server import ModelServer, open_bundle
        from mmbm.serve.playground import OFF, SEVERAL, Playground

        disable_created_metrics()  # a second series for each, of its creation time
        metrics = Metrics()
        share = max(1, cores() // self.workers)
        pool = ThreadPoolExecutor(share, thread_name_prefix="decode")
        threads = self.threads or max(1, share - 1)  # one core reads requests and decodes

        def replica(name: str) -> ModelServer:
            bundle = open_bundle(self.models[name], self.limits, threads, self.runner)
            index = load_index(self.indexes[name], bundle) if name in self.indexes else None
            with foreign(bundle.path):
                return ModelServer(name, bundle, self.limits, metrics, pool, index)

        replicas = {name: replica(name) for name in self.models}
        for name, one in replicas.items():
            metrics.model.labels(name, one.bundle.version).set(1)
        agents = {name: Agent(name, kind, replicas) for name, kind in self.agents.items()}
        playground: Any = SEVERAL if self.workers > 1 else OFF
        if self.playground and self.workers == 1:
            playground = Playground(replicas, agents, self.limits, self.root)

        @contextlib.asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            loop = asyncio.get_running_loop()
            again = Reload(replicas, replica, metrics)
            if hasattr(signal, "SIGHUP"):
                loop.add_signal_handler(signal.SIGHUP, again.start)
            yield
            pool.shutdown(wait=False)
            playground.close()

        app = create(replicas, self.limits, metrics, playground, lifespan, agents, self.root)
        log = sys.stdout if self.log else None
        guarded = Guard(app, self.limits, metrics, self.token, log, self.origins, self.root)
        if not self.origins.cors:
            return guarded
        return CORSMiddleware(
            guarded, allow_origins=[*self.origins.cors], allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-request-id"],
            expose_headers=["x-request-id"],
        )  # fmt: skip


class Reload:
    """Reload bundles, one after the other: one that passes its golden rows takes over; for any
    other the old version stays, and the error is reported."""

    def __init__(self, replicas: dict[str, Any], make: Callable[[str], Any], metrics: Any):
        self.replicas, self.make, self.metrics = replicas, make, metrics
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task] = set()

    def start(self) -> None:
        task = asyncio.create_task(self._all())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _all(self) -> None:
        async with self._one:
            for name in list(self.replicas):
                await self._reload(name)
        await asyncio.sleep(LINGER)  # the rows of old versions are answered by now
        await asyncio.to_thread(gc.collect)  # their sessions hold memory that Python doesn't count

    async def _reload(self, name: str) -> None:
        loop, old = asyncio.get_running_loop(), self.replicas[name]
        work = loop.run_in_executor(None, self.make, name)
        (new,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(new, BaseException):
            if not isinstance(new, MmbmError):  # an internal error: its traceback is logged
                traceback.print_exception(new)
            say(f"{name}: the old version goes on, since the new one won't do: {new}")
            return
        self.replicas[name] = new
        self.metrics.model.labels(name, old.bundle.version).set(0)
        self.metrics.model.labels(name, new.bundle.version).set(1)
        say(f"{name}: version {new.bundle.version} answers, after {old.bundle.version}.")


def serve(service: Service, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; requests in progress are finished. Port 0: any free one."""
    listening = listen(host, port)
    if not (service.token or is_loopback(host)):
        say(OPEN_TO_ALL.format(host))
    where = f"http://{host}:{listening.getsockname()[1]}"
    options: dict[str, Any] = {
        "log_config": None, "access_log": False, "server_header": False, "backlog": BACKLOG,
        "timeout_keep_alive": IDLE, "timeout_graceful_shutdown": DRAIN,
        "ws": Stream, "ws_max_size": MESSAGE, "ws_per_message_deflate": False,
        "proxy_headers": False, "http": Protocol,
    }  # fmt: skip
    if service.workers == 1:
        config = uvicorn.Config(service(), **options)
        say(f"Ready: {', '.join(service.models)} at {where}/predict")
        uvicorn.Server(config).run(sockets=[listening])
        return
    service()  # a bad bundle is reported here, not by every worker forever
    with tempfile.TemporaryDirectory(prefix="mmbm-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # workers add up their counts there
        config = uvicorn.Config(service, factory=True, workers=service.workers, **options)
        say(f"Starting {service.workers} processes at {where}/predict")
        Workers(config, each(listening, service.workers)).run()


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits on a head's time and size, and on the data buffered for a
    client that doesn't read."""

    _late: asyncio.TimerHandle | None = None
    _bare = 0  # bytes since a message began, or since the last piece of its body

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._bare += len(data)
        super().data_received(data)
        if self._bare > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n")
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._bare = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bare = 0
        super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():  # the client doesn't read: a close would wait
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        self._wait()
        super().on_message_begin()
        cast(dict, self.scope)[ABORT] = self.transport.abort

    def on_headers_complete(self) -> None:
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop()
        self._late = self.loop.call_later(HEAD, self.transport.abort)

    def _stop(self) -> None:
        if self._late:
            self._late.cancel()


class Stream(WebSocketsSansIOProtocol):
    """uvicorn's protocol, but a WebSocket that was refused by an HTTP answer counts as answered:
    else each is logged as an error."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True


class Workers(Multiprocess):
    """uvicorn's processes, each with a socket of its own; one that dies is restarted on its socket,
    with the waiting connections. SIGHUP is passed on: each reloads."""

    def __init__(self, config: uvicorn.Config, own: list[socket.socket]):
        self.own = own
        super().__init__(config, own)

    @property
    def sockets(self) -> list[socket.socket]:
        """The socket of the process that is started next: of one that died, or else a new one."""
        dead = (i for i, process in enumerate(self.processes) if not process.process.is_alive())
        return [self.own[next(dead, len(self.processes)) % len(self.own)]]

    @sockets.setter
    def sockets(self, own: list[socket.socket]) -> None:
        self.own = own

    def handle_hup(self) -> None:
        for process in self.processes:
            if process.pid:
                os.kill(process.pid, signal.SIGHUP)


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise MmbmError(
            f"{host}:{port} can't be listened on ({error.strerror}). Choose another --port."
        ) from error
    listening.set_inheritable(True)
    return listening


def each(listening: socket.socket, count: int) -> list[socket.socket]:
    """Sockets on the same port, among which the system shares connections evenly. With one socket,
    the process that wakes first would take all waiting connections, and keep them."""
    if sys.platform != "linux":  # elsewhere the option means something else
        return [listening] * count
    address = listening.getsockname()
    listening.close()  # it has checked that no other process listens there
    sockets = []
    for _ in range(count):
        sockets.append(socket.socket(listening.family))
        sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sockets[-1].bind(address)
        sockets[-1].set_inheritable(True)
    return sockets


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def name_of(bundle: Path) -> str:
    """runs/mine/bundle -> mine."""
    path = bundle.resolve()
    name = path.parent.name if path.name == "bundle" else path.name
    return re.sub(r"[^A-Za-z0-9._-]", "_", name) or "model"


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_token(path: Path | None) -> str | None:
    """The token of a file. Raises MmbmError if there is none in it."""
    if path is None:
        return None
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < 16:
        raise MmbmError(
            f"{path}: a token has 16 characters or more, for example {secrets.token_urlsafe(24)}"
        )
    return token
