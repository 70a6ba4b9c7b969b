"""Client of a chat endpoint: a few concurrent requests, with a cache of answers."""

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmbm.console import track
from mmbm.data.store import parallel
from mmbm.data.table import Table
from mmbm.errors import BadCell, MissingExtra, MmbmError
from mmbm.llm.parts import Size
from mmbm.llm.question import Question, messages

RETRIES = 6
"""Retries: at 408, 409, 429, 5xx and lost connections, after 0.5 to 8 s or as requested."""
KEPT = Path("runs/remote.sqlite")
NOTHING = "what came back is no chat completion"
REFUSED = (400, 413, 422)
"""Statuses caused by the row; any other error ends the run."""


class Request(NamedTuple):
    body: dict[str, Any]
    size: Size


class Reply(NamedTuple):
    content: str
    tokens_in: int
    tokens_out: int


class ChatClient:
    """A model at a URL."""

    def __init__(self, model: str, base_url: str, concurrency: int = 4, cache: Path | None = None):
        """concurrency: parallel requests. cache: file of the answers."""
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtra("Asking a remote model", "remote") from error
        key = os.environ.get("OPENAI_API_KEY", "")
        if not key or not key.isascii():
            raise MmbmError(
                "Set OPENAI_API_KEY to the key of the endpoint (to any word, if it needs none)."
            )
        self.model, self.base_url, self.concurrency = model, base_url, concurrency
        self.client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=RETRIES)
        self.kept = ResponseCache(cache or KEPT)

    def requests(
        self, question: Question, table: Table, rows: np.ndarray, kinds: dict[str, str]
    ) -> Iterator[Request | BadCell]:
        """The prompt of each row; BadCell: why there is none."""
        for cells in zip(*(table.cells(name, rows) for name in kinds)):
            try:
                asked, size = messages(question, dict(zip(kinds, cells)), kinds, table.root)
            except BadCell as bad:
                yield bad
            else:
                yield Request({"model": self.model, "messages": asked}, size)

    def key(self, request: Request) -> str:
        text = json.dumps([self.base_url.rstrip("/"), request.body], sort_keys=True)
        return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()

    def ask(self, requests: Iterable[Request | BadCell], total: int) -> list[Reply | BadCell]:
        """Answers in order; cached ones aren't requested again. BadCell: why there is no answer.
        Raises MmbmError when the endpoint fails; the answers until then are kept."""
        return list(track(parallel(self._one, requests, self.concurrency), total, "asking"))

    def _one(self, request: Request | BadCell) -> Reply | BadCell:
        import openai

        if isinstance(request, BadCell):
            return request
        if reply := self.kept.get(key := self.key(request)):
            return reply
        try:
            said: Any = self.client.chat.completions.create(**request.body)
        except openai.APIError as error:
            body, status = error.body, getattr(error, "status_code", None)
            why = body.get("message") if isinstance(body, dict) else None
            why = f"{why or error.message}".strip().rstrip(".")
            if status in REFUSED:
                return BadCell(f"refused: {why}")
            raise MmbmError(
                f"{self.base_url}: {f'{status}, ' if status else ''}{why}. What was answered is "
                "kept; the same command goes on from there."
            ) from error
        except json.JSONDecodeError:
            return BadCell(NOTHING)
        reply = reply_of(said)
        if isinstance(reply, Reply):
            self.kept.keep(key, reply)
        return reply


def reply_of(said: Any) -> Reply | BadCell:
    """The client parses any response: its parts may be missing."""
    try:
        choice, use = said.choices[0], getattr(said, "usage", None)
        content, end = choice.message.content, getattr(choice, "finish_reason", None)
    except (AttributeError, IndexError, KeyError, TypeError):
        return BadCell(NOTHING)
    if end in ("length", "content_filter"):
        return BadCell(f"the answer was cut off ({end})")
    if not isinstance(content, str):
        return BadCell("the model refused to answer")
    counts = (getattr(use, f"{kind}_tokens", None) or 0 for kind in ("prompt", "completion"))
    return Reply(content, *counts)


class ResponseCache:
    """Cache of answers by the hash of the prompt, in one SQLite file: written one by one, so that
    an interrupted run repeats no request."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.lock = path, threading.Lock()
        self.base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        columns = "key text primary key, content text, tokens_in integer, tokens_out integer"
        self._run(f"create table if not exists replies ({columns})")

    def get(self, key: str) -> Reply | None:
        ask = "select content, tokens_in, tokens_out from replies where key = ?"
        found = self._run(ask, key)
        return Reply(*found[0]) if found else None

    def keep(self, key: str, reply: Reply) -> None:
        self._run("insert or replace into replies values (?, ?, ?, ?)", key, *reply)

    def _run(self, statement: str, *values: Any) -> list[Any]:
        try:
            with self.lock:
                return self.base.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise MmbmError(f"{self.path} can't be used to keep answers: {error}.") from error


def read_reply(question: Question, reply: Reply | BadCell) -> tuple[str | float | None, str | None]:
    """The answer, or the reason why there is none."""
    if isinstance(reply, BadCell):
        return None, reply.reason
    try:
        return question.read(reply.content), None
    except BadCell as bad:
        return None, f"the answer {reply.content[:80]!r} {bad.reason}"
