"""HTTP client of `mmbm serve`, with the interface of a bundle: the same rows, the same answers."""

import base64
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbm.console import say
from mmbm.data.store import parallel
from mmbm.errors import BadCell, MissingExtra, MmbmError

if TYPE_CHECKING:
    from mmbm.search import Found

TRIES = 5
PATIENCE = 8.0
"""Seconds; the longest wait before a retry."""
MESSAGE = 1 << 18
"""Maximum size of a stream message, in bytes."""
ROWS = 16
"""Rows per request; a few requests run in parallel."""


class Client:
    """`Client("http://host:8000").predict(rows)`; `model` chooses one of several.

    The client reads files and sends their bytes: a server opens no path. Raises MmbmError with the
    server's message, or if the server can't be reached.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        token: str | None = None,
        seconds: float = 60.0,
    ):
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise MissingExtra("The client", "client") from error
        self.url, self.prefix = url.rstrip("/"), f"/models/{model}" if model else ""
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._seconds = seconds
        self._http = httpx.Client(base_url=self.url, headers=self._headers, timeout=seconds)
        self._errors = httpx.HTTPError
        described = self._ask("GET", "/models")
        self.models: dict[str, Any] = {one["model"]: one for one in described}
        if model is not None and model not in self.models:
            raise MmbmError(f"{url} has no model {model!r}; it has {', '.join(self.models)}.")
        self.inputs: dict[str, Any] = self.models[model or described[0]["model"]]["inputs"]

    def predict(
        self,
        rows: Any,
        *,
        root: str | Path | None = None,
        probabilities: bool = False,
        explain: bool = False,
    ) -> list[dict[str, Any]]:
        """Answers for a table, a list of dicts or one dict, in order, as `Bundle.predict` does."""
        wish = {"probabilities": probabilities, "explain": explain}
        some = parallel(lambda part: self._answer(part, wish), self._parts(rows, root))
        answers = [answer for part in some for answer in part]
        for sentence in unseen_in(answers):
            say(f"Note: {sentence}")
        return answers

    def search(
        self,
        row: dict[str, Any],
        k: int = 10,
        *,
        of: str | None = None,
        where: str | None = None,
        root: str | Path | None = None,
    ) -> "list[Found]":
        """The nearest rows of the server's index, in the format of `Index.search`; only the server
        knows where their media are."""
        from mmbm.search import Found

        folder = Path(root or Path.cwd())
        cells = {name: self._cell(name, cell, folder) for name, cell in row.items()}
        for name, cell in cells.items():
            if isinstance(cell, BadCell):
                raise MmbmError(f"{name}: {cell.reason}.")
        params = {"k": k, "of": of, "where": where}
        known = {name: value for name, value in params.items() if value is not None}
        said = self._ask("POST", f"{self.prefix}/search", json=cells, params=known)
        return [Found(one["row"], one["score"], one["cells"], {}) for one in said["found"]]

    def stream(
        self,
        chunks: Iterable[Any],
        rate: int,
        *,
        column: str | None = None,
        cells: dict[str, Any] | None = None,
        every: float = 0.5,
    ) -> Iterator[dict[str, Any]]:
        """Streaming transcription: partial text while `chunks` of audio arrive, then the row's
        answer.

        chunks: mono int16 arrays [T], or the bytes of such (little-endian), as they arrive, for
            example from a microphone; the client reads answers after each chunk.
        rate: samples per second.
        column: the audio input to stream, if the transcripts read several.
        cells: the row's other inputs.
        every: seconds of audio between two answers.

        Yields {"seconds", "final": False, "answer": {target: text}, "sure": {target: text}},
        where `sure` is the prefix that no longer changes; then once {"seconds", "final": True,
        "answer": a row as `predict` returns it, …}. Raises MmbmError with the server's message.
        """
        row = {name: self._cell(name, cell, Path.cwd()) for name, cell in (cells or {}).items()}
        for name, cell in row.items():
            if isinstance(cell, BadCell):
                raise MmbmError(f"{name}: {cell.reason}")
        start = {"rate": rate, "cells": row, "every": every}
        start |= {"column": column} if column else {}
        where = f"ws{self.url.removeprefix('http')}{self.prefix}/stream"
        for said in talk(where, self._headers, start, chunks, self._seconds):
            yield {**said, "answer": only(said["answer"])} if said["final"] else said

    def _parts(self, rows: Any, root: str | Path | None) -> Iterator[list[dict[str, Any]]]:
        if isinstance(rows, dict):
            rows = [rows]
        if isinstance(rows, list):
            folder = Path(root or Path.cwd())
        else:
            from mmbm.data.table import open_table

            table = open_table(rows, root=Path(root) if root else None)
            names, folder = [n for n in self.inputs if n in table.names], table.root
            columns = {name: table.cells(name) for name in names}
            rows = ({k: next(v) for k, v in columns.items()} for _ in range(table.rows))
        part = []
        for row in rows:
            part.append({name: self._cell(name, cell, folder) for name, cell in row.items()})
            if len(part) == ROWS:
                yield part
                part = []
        if part:
            yield part

    def _cell(self, name: str, cell: Any, root: Path) -> Any:
        """Media as base64; the server reports those that can't be read."""
        from mmbm.cells.media import locate, read

        if not self.inputs.get(name, {}).get("media"):
            return cell
        try:
            found = locate(cell, root)
            raw = None if found is None else read(found, 1 << 40)
        except BadCell as bad:
            return BadCell(bad.reason)
        return None if raw is None else base64.b64encode(raw).decode()

    def _answer(self, rows: list[dict[str, Any]], wish: dict[str, bool]) -> list[dict[str, Any]]:
        errors = {
            i: f"{name}: {cell.reason}"
            for i, row in enumerate(rows)
            for name, cell in row.items()
            if isinstance(cell, BadCell)
        }
        good = [row for i, row in enumerate(rows) if i not in errors]
        body = {"rows": good}
        params = {name: str(value).lower() for name, value in wish.items()}
        answered = []
        if good:
            answered = self._ask("POST", f"{self.prefix}/predict", json=body, params=params)[
                "answers"
            ]
        answers = iter(answered)
        return [
            {"error": errors[i]} if i in errors else only(next(answers)) for i in range(len(rows))
        ]

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of an answer; retries with growing delays while the server is overloaded."""
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._http.request(method, path, **options)
            except self._errors as error:
                raise MmbmError(f"{self.url} can't be reached: {error}") from error
            if answer.status_code not in (429, 503) or attempt == TRIES:
                break
            asked = float(answer.headers.get("retry-after", 1))
            time.sleep(min(asked * 2 ** (attempt - 1), PATIENCE))
        if answer.is_success:
            return answer.json()
        raise MmbmError(f"{self.url}{path}: {answer.status_code}, {told(answer.content)}")

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def talk(
    where: str, headers: dict[str, str], start: dict[str, Any], chunks: Iterable[Any], wait: float
) -> Iterator[dict[str, Any]]:
    """The server's messages while samples are sent to it. Raises MmbmError."""
    try:
        from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
        from websockets.sync.client import connect
    except ModuleNotFoundError as error:
        raise MissingExtra("Streaming", "client") from error
    try:
        with connect(
            where, additional_headers=headers, open_timeout=wait, compression=None
        ) as socket:
            try:
                socket.send(json.dumps(start))
                for chunk in chunks:
                    for piece in pieces(chunk):
                        socket.send(piece)
                    yield from arrived(socket, where, 0)
                socket.send(json.dumps({"end": True}))
            except ConnectionClosed:
                pass  # the server's earlier messages are still to be read
            yield from arrived(socket, where, wait)
    except InvalidStatus as error:
        status, why = error.response.status_code, told(error.response.body)
        raise MmbmError(f"{where}: {status}, {why}") from error
    except (WebSocketException, OSError) as error:  # a TimeoutError is an OSError
        raise MmbmError(f"{where} ended before its last answer: {error}") from error


def arrived(socket: Any, where: str, wait: float) -> Iterator[dict[str, Any]]:
    """The messages received so far; with `wait`, all messages up to the last answer."""
    while True:
        try:
            said = json.loads(socket.recv(timeout=wait))
        except TimeoutError:
            if not wait:
                return
            raise
        if "final" not in said:
            raise MmbmError(f"{where}: {said['error']['message']}")
        yield said
        if said["final"]:
            return


def pieces(chunk: Any) -> Iterator[bytes]:
    """Samples as messages in the server's format."""
    import numpy as np

    if not isinstance(chunk, bytes | bytearray | memoryview):
        wave = np.asarray(chunk)
        if wave.dtype != np.int16 or wave.ndim != 1:
            raise MmbmError(
                f"A chunk is int16 samples of one channel [T], not {wave.dtype} {wave.shape}."
            )
        chunk = wave.astype("<i2").tobytes()
    for start in range(0, len(chunk), MESSAGE):
        yield bytes(chunk[start : start + MESSAGE])


def told(body: bytes | None) -> str:
    """The server's reason for refusing a request."""
    try:
        return json.loads(body or b"")["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return (body or b"").decode("utf-8", "replace")[:200]


def unseen_in(answers: list[dict[str, Any]]) -> list[str]:
    """The server's report on values that training never saw: removed from the answers, and summed
    up for each column."""
    found: dict[str, list[tuple[int, str]]] = {}
    for row, answer in enumerate(answers, start=1):
        for one in answer.pop("unseen", []):
            found.setdefault(one["column"], []).append((row, one["message"]))
    return [
        f"{len(cells)} of {len(answers)} cells of column {name!r} hold values that training never "
        f"saw. The first, in row {cells[0][0]}: {cells[0][1]}"
        for name, cells in found.items()
    ]


def only(answer: dict[str, Any]) -> dict[str, Any]:
    """In the format of `Bundle.predict`."""
    return {"error": answer["error"]} if answer["error"] is not None else answer
