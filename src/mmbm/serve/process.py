"""The process, or several that share a port: start, reload, drain."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from mmbm.errors import MmbmError
from mmbm.progress import say
from mmbm.serve.limits import Limits

DRAIN = 30
"""Seconds that requests under way get to finish after SIGTERM."""
IDLE = 65
"""Seconds that a connection may say nothing: longer than the 60 of usual load balancers."""
HEAD = 10
"""Seconds that a client has for the head of its request."""
BACKLOG = 2048
MESSAGE = 1 << 20
"""Bytes of the largest message of a stream."""


@dataclass(frozen=True)
class Service:
    """All that a process needs to serve."""

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

    def __call__(self) -> Any:
        """The ASGI app, once every bundle's golden rows were answered: uvicorn's app factory."""
        from prometheus_client import disable_created_metrics

        from mmbm.search import load_index
        from mmbm.serve.agent import Agent
        from mmbm.serve.app import create
        from mmbm.serve.guard import Guard
        from mmbm.serve.metrics import Metrics
        from mmbm.serve.playground import Playground, several_processes
        from mmbm.serve.replica import Replica, open_bundle

        disable_created_metrics()  # a second series for each, of when it began
        metrics = Metrics()
        share = max(1, cores() // self.workers)
        pool = ThreadPoolExecutor(share, thread_name_prefix="decode")
        threads = self.threads or max(1, share - 1)  # one core reads requests and decodes

        def replica(name: str) -> Replica:
            bundle = open_bundle(self.models[name], self.limits, threads, self.runner)
            index = load_index(self.indexes[name], bundle) if name in self.indexes else None
            metrics.model.labels(name, bundle.version).set(1)
            return Replica(name, bundle, self.limits, metrics, pool, index)

        replicas = {name: replica(name) for name in self.models}
        agents = {name: Agent(name, kind, replicas) for name, kind in self.agents.items()}

        def reload() -> None:
            """In a thread: whatever answers its golden rows takes over, the rest stays."""
            for name, old in list(replicas.items()):
                try:
                    new = replica(name)
                except MmbmError as error:
                    say(f"{name}: the old version goes on, since the new one won't do: {error}")
                    continue
                replicas[name] = new
                metrics.model.labels(name, old.bundle.version).set(0)
                metrics.model.labels(name, new.bundle.version).set(1)
                say(f"{name}: version {new.bundle.version} answers, after {old.bundle.version}.")

        @contextlib.asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            loop = asyncio.get_running_loop()
            if hasattr(signal, "SIGHUP"):
                loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, reload))
            yield
            pool.shutdown(wait=False)

        one = self.workers == 1
        playground = Playground(replicas, agents, self.limits) if one else several_processes
        app = create(replicas, self.limits, metrics, playground, lifespan, agents)
        return Guard(app, self.limits, metrics, self.token, sys.stdout if self.log else None)


def serve(service: Service, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are finished. Port 0: any free one."""
    listening = listen(host, port)
    where = f"http://{host}:{listening.getsockname()[1]}"
    options: dict[str, Any] = {
        "log_config": None, "access_log": False, "server_header": False, "backlog": BACKLOG,
        "timeout_keep_alive": IDLE, "timeout_graceful_shutdown": DRAIN,
        "ws": "websockets-sansio", "ws_max_size": MESSAGE, "ws_per_message_deflate": False,
        "proxy_headers": False, "http": Protocol,
    }  # fmt: skip
    if service.workers == 1:
        config = uvicorn.Config(service(), **options)
        say(f"Ready: {', '.join(service.models)} at {where}/predict")
        uvicorn.Server(config).run(sockets=[listening])
        return
    service()  # a bundle that won't do is told of here, not by every worker for ever
    with tempfile.TemporaryDirectory(prefix="mmbm-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # workers add up their counts there
        config = uvicorn.Config(service, factory=True, workers=service.workers, **options)
        say(f"Starting {service.workers} processes at {where}/predict")
        Workers(config, each(listening, service.workers)).run()


class Protocol(HttpToolsProtocol):
    """uvicorn's, but a client that begins a request and doesn't end its head isn't waited for."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop()
        self._late = self.loop.call_later(HEAD, self.transport.close)

    def _stop(self) -> None:
        if self._late:
            self._late.cancel()


class Workers(Multiprocess):
    """uvicorn's processes, each with a socket of its own; one that dies is started again, and finds
    those who wait for it. SIGHUP is passed on: each reloads."""

    def __init__(self, config: uvicorn.Config, own: list[socket.socket]):
        self.own = own
        super().__init__(config, own)

    @property
    def sockets(self) -> list[socket.socket]:
        """Of the process that is started next: one that died, or else one more."""
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
    """Sockets on the same port, among which the system shares connections evenly. Of one socket,
    the process that wakes first would take all who wait, and keep them."""
    if sys.platform != "linux":  # elsewhere the option means something else
        return [listening] * count
    address = listening.getsockname()
    listening.close()  # it has made sure that nobody else listens there
    sockets = []
    for _ in range(count):
        sockets.append(socket.socket(listening.family))
        sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sockets[-1].bind(address)
        sockets[-1].set_inheritable(True)
    return sockets


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
