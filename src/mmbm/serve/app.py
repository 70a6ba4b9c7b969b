"""HTTP routes of the server; everything else is in other modules."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive

from mmbm.errors import MmbmError
from mmbm.search import Found
from mmbm.serve import openai, openapi
from mmbm.serve.agent import Agent
from mmbm.serve.body import PARQUET, Row, Spool, jsonl_rows, media_type, read_rows, table_rows
from mmbm.serve.limits import Limits, RequestError, deadline
from mmbm.serve.metrics import Metrics
from mmbm.serve.middleware import or_gone, refuse
from mmbm.serve.model_server import ModelServer, ResponseOptions, Unreadable, together, weight
from mmbm.serve.playground import PATH
from mmbm.serve.streaming import endpoint

Replicas = dict[str, ModelServer]
AHEAD = 2
"""Maximum size of a batch's rows in progress, as a multiple of the largest request."""


def create(
    replicas: Replicas,
    limits: Limits,
    metrics: Metrics,
    playground: ASGIApp,
    lifespan: Any = None,
    agents: Mapping[str, Agent] = MappingProxyType({}),
    root: str = "",
) -> Starlette:
    """The routes over `replicas`, whose values may be replaced at run time. The first one serves
    /predict; each serves /models/NAME/predict."""

    async def live(request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(request: Request) -> Response:
        """Golden rows were verified before the server accepts requests."""
        versions = {name: replica.bundle.version for name, replica in replicas.items()}
        return JSONResponse({"status": "ready", "models": versions})

    async def models(request: Request) -> Response:
        return JSONResponse([replica.describe() for replica in replicas.values()])

    async def document(request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(openapi.document, replicas, root))

    async def page(request: Request) -> Response:
        for name, replica in replicas.items():
            metrics.queue.labels(name).set(len(replica.batcher.waiting))
            for column, index in replica.drift.index().items():
                metrics.drift.labels(name, column).set(index)
        return PlainTextResponse(metrics.page(), media_type="text/plain; version=0.0.4")

    routes: list[BaseRoute] = [
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/models", models),
        Route("/openapi.json", document),
        Route("/metrics", page),
        Route("/favicon.ico", icon),
        Route("/manifest.json", manifest),
    ]
    for prefix, name in openapi.prefixes(replicas):
        predict, batch, search = handlers(replicas, name, prefix, limits)
        routes.append(Route(f"{prefix}/predict", predict, methods=["POST"]))
        routes.append(Route(f"{prefix}/predict/batch", batch, methods=["POST"]))
        if replicas[name].index is not None:
            routes.append(Route(f"{prefix}/search", search, methods=["POST"]))
        stream = endpoint(replicas, name, prefix, limits, metrics)
        routes.append(WebSocketRoute(f"{prefix}/stream", stream))
    routes += openai.routes(replicas, limits, agents)
    routes.append(Mount(PATH, playground))
    errors: Any = {
        RequestError: on_refusal(metrics),
        HTTPException: on_http,
        ClientDisconnect: on_gone,
        500: on_crash,
    }
    return Starlette(routes=routes, exception_handlers=errors, lifespan=lifespan)


ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16"'
    ' rx="3" fill="#2a9d8f"/><path d="M3 12V5l3 4 2-3 2 3 3-4v7" fill="none" stroke="#fff"'
    ' stroke-width="1.6"/></svg>'
)


async def icon(request: Request) -> Response:
    return Response(ICON, media_type="image/svg+xml")


async def manifest(request: Request) -> Response:
    """Files that browsers request besides a page."""
    icons = [{"src": "favicon.ico", "sizes": "any", "type": "image/svg+xml"}]
    about = {"name": "mmbm", "start_url": "playground/", "display": "browser", "icons": icons}
    return JSONResponse(about, media_type="application/manifest+json")


def handlers(replicas: Replicas, name: str, prefix: str, limits: Limits) -> tuple[Any, Any, Any]:
    """`predict`, `batch` and `search` for one model."""

    async def predict(request: Request) -> Response:
        """One row, or a list of them; inputs that are left out are absent."""
        replica, note = replicas[name], request.scope["mmbm"]
        note |= {"route": f"{prefix}/predict", "model": name}
        wish = wishes(request)
        answers, single = await in_time(
            request, replica, limits, lambda rows, _: answer_all(replica, rows, wish)
        )
        if answers is None:
            return Response(status_code=499)  # the client is gone
        head = {"id": note["id"], "model": name, "version": replica.bundle.version}
        if not single:
            return JSONResponse({**head, "answers": answers})
        if answers[0]["error"] is not None:
            raise RequestError(
                422, f"{answers[0]['error']}.", reason="bad_cell", column=answers[0]["column"]
            )
        return JSONResponse({**head, "answer": answers[0]})

    async def batch(request: Request) -> Response:
        """Many rows: JSON lines or a Parquet file in, one JSON line out for each row, in order."""
        replica, note = replicas[name], request.scope["mmbm"]
        note |= {"route": f"{prefix}/predict/batch", "model": name}
        wish = wishes(request)
        async with AsyncExitStack() as stack:
            spool = Spool(request.stream())
            stack.push_async_callback(spool.close)
            head = await spool.start(len(PARQUET))
            if not head:
                raise RequestError(
                    400, "The body is empty (0 bytes): send JSON lines or a Parquet file.",
                    reason="empty",
                )  # fmt: skip
            table = head == PARQUET or "parquet" in media_type(request)
            read = table_rows if table else jsonl_rows
            rows = read(spool, replica.bundle, limits)
            lines = answer_stream(replica, rows, wish, limits, note)
            first = await anext(lines, b"")  # input that is no table is refused with a status
            stream = resume(first, lines, stack.pop_all())
        return Lines(stream, spool)

    async def search(request: Request) -> Response:
        """The rows of the index nearest to the row's cells."""
        replica, note = replicas[name], request.scope["mmbm"]
        note |= {"route": f"{prefix}/search", "model": name}
        wish = search_wishes(request)

        async def look(rows: list[Row], single: bool) -> list[Found]:
            if not single:
                raise RequestError(422, "A search is by one row.", reason="row")
            try:
                return await replica.search(rows[0], **wish)
            except Unreadable as bad:
                raise RequestError(422, str(bad), reason="bad_cell", column=bad.column) from bad
            except MmbmError as wrong:
                raise RequestError(422, str(wrong), reason="search") from wrong

        found, _ = await in_time(request, replica, limits, look)
        if found is None:
            return Response(status_code=499)
        head = {"id": note["id"], "model": name, "version": replica.bundle.version}
        told = [{"row": one.row, "score": one.score, "cells": plain(one.cells)} for one in found]
        return JSONResponse({**head, "found": told})

    return predict, batch, search


def plain(cells: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity."""
    return {
        name: str(cell) if isinstance(cell, float) and math.isinf(cell) else cell
        for name, cell in cells.items()
    }


async def in_time(
    request: Request, replica: ModelServer, limits: Limits, work: Callable[[list[Row], bool], Any]
) -> tuple[Any, bool]:
    """The result of `work` for the body's rows, and whether it was one row; None if the client is
    gone. Raises a RequestError after the deadline."""
    async with deadline(limits):
        start = time.perf_counter()
        rows, single = await read_rows(request, replica.bundle, limits)
        replica.stage["read"].observe(time.perf_counter() - start)
        request.scope["mmbm"]["rows"] = len(rows)
        return await or_gone(work(rows, single), request.receive), single


def search_wishes(request: Request) -> dict[str, Any]:
    """The options of a query: `k`, `of` and `where`."""
    said = dict(request.query_params)
    k, of, where = said.pop("k", "10"), said.pop("of", None), said.pop("where", None)
    if not (k.isascii() and k.isdigit() and len(k) < 9):
        raise RequestError(422, f"k is a number of rows, not {k[:40]!r}.", reason="parameter")
    if said:
        raise RequestError(
            422, f"There is no option {min(said)[:40]!r}: k, of and where are all.",
            reason="parameter",
        )  # fmt: skip
    return {"k": int(k), "of": of, "where": where or None}


def wishes(request: Request) -> ResponseOptions:
    """The options of a query: `probabilities` (given unless false) and `explain`."""
    said = dict(request.query_params)
    chosen = {
        "probabilities": said.pop("probabilities", "true"),
        "explain": said.pop("explain", "false"),
    }
    for name, value in chosen.items():
        if value not in ("true", "false"):
            raise RequestError(
                422, f"{name} is true or false, not {value[:40]!r}.", reason="parameter"
            )
    if said:
        raise RequestError(
            422, f"There is no option {min(said)[:40]!r}: probabilities and explain are all.",
            reason="parameter",
        )  # fmt: skip
    return ResponseOptions(**{name: value == "true" for name, value in chosen.items()})


class Lines(StreamingResponse):
    """Checks for disconnects only after the body: both arrive on the same channel."""

    def __init__(self, lines: AsyncIterator[bytes], spool: Spool):
        super().__init__(lines, media_type="application/x-ndjson")
        self.spool = spool

    async def listen_for_disconnect(self, receive: Receive) -> None:
        await asyncio.wait([self.spool.filling])
        await super().listen_for_disconnect(receive)


async def answer_all(replica: ModelServer, rows: list[Row], wish: ResponseOptions) -> list[dict]:
    if len(rows) == 1:
        return [await replica.answer(rows[0], wish)]
    return await together(replica.answer(row, wish) for row in rows)


async def answer_stream(
    replica: ModelServer,
    rows: AsyncIterator[Row | RequestError],
    wish: ResponseOptions,
    limits: Limits,
    note: dict[str, Any],
) -> AsyncIterator[bytes]:
    """A JSON line for each row, in order, streamed; as many rows are in progress as fit a batch, of
    large rows fewer."""
    underway: asyncio.Queue[tuple[asyncio.Task, int] | None] = asyncio.Queue()
    room = Room(limits.batch, int(AHEAD * limits.megabytes * 1e6))

    async def read() -> None:
        async for row in rows:
            size = 0 if isinstance(row, RequestError) else weight(row, room.most)
            await room.take(size)
            underway.put_nowait((asyncio.create_task(one(replica, row, wish)), size))

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: underway.put_nowait(None))
    note["rows"] = 0
    try:
        while task := await underway.get():
            note["rows"] += 1
            yield await task[0]
            room.give(task[1])
        reader.result()
    except RequestError as refusal:  # the rows before it were answered
        if not note["rows"]:
            raise
        yield line({"error": refusal.message, "row": note["rows"] + 1})
    finally:
        reader.cancel()
        while not underway.empty():
            if task := underway.get_nowait():
                task[0].cancel()


class Room:
    """Slots for `rows` rows of together `most` bytes; a larger row takes all of them."""

    def __init__(self, rows: int, most: int):
        self.rows, self.most = rows, most
        self.held = self.size = 0
        self._changed = asyncio.Event()

    async def take(self, size: int) -> None:
        while self.held and (self.held >= self.rows or self.size + size > self.most):
            self._changed.clear()
            await self._changed.wait()
        self.held += 1
        self.size += size

    def give(self, size: int) -> None:
        self.held -= 1
        self.size -= size
        self._changed.set()


async def one(replica: ModelServer, row: Row | RequestError, wish: ResponseOptions) -> bytes:
    if isinstance(row, RequestError):
        return line({"error": row.message, "row": row.row})
    return line(await replica.answer(row, wish, patient=True))


def line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode() + b"\n"


async def resume(
    first: bytes, rest: AsyncIterator[bytes], stack: AsyncExitStack
) -> AsyncIterator[bytes]:
    async with stack:
        yield first
        async for part in rest:
            yield part


# ── errors ───────────────────────────────────────────────────────────────────────────────────────


def on_refusal(metrics: Metrics):
    async def handle(request: Request, refusal: Any) -> Response:
        metrics.rejected.labels(refusal.reason).inc()
        return refuse(refusal, request.scope)

    return handle


async def on_http(request: Request, error: Any) -> Response:
    """No such route, a method that isn't allowed, a form that can't be parsed."""
    refusal = RequestError(error.status_code, str(error.detail), reason="http")
    answer = refuse(refusal, request.scope)
    answer.headers.update(error.headers or {})
    return answer


async def on_gone(request: Request, error: Any) -> Response:
    return Response(status_code=499)  # the client is gone


async def on_crash(request: Request, error: Any) -> Response:
    """An internal error: its traceback is logged under the request's id, not sent."""
    refusal = RequestError(500, "Something broke; the log knows more.", reason="internal")
    return refuse(refusal, request.scope)
