"""Filter of requests to Gradio, and of the files that they may name.

Gradio is a framework for pages whose author trusts whoever opens them: an event may name any file
of the machine, a URL to fetch, and there are routes that a page of forms never needs. So a request
passes only if the pages use its route, and a file that it names only if this server put it into the
playground's own folder: an upload, a microphone's recording, a result that was shown.
"""

import asyncio
import json
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmbm.errors import MmbmError
from mmbm.files import written
from mmbm.serve.body import parse
from mmbm.serve.limits import Limits, RequestError

API = "/gradio_api"
PAGES = re.compile(
    rf"/?|/config/?|/theme\.css|/(assets|static|svelte)/.*|/robots\.txt|/favicon\.ico|/manifest\.json"
    rf"|{API}/(info/?|theme\.css|startup-events|app_id/?|upload_progress|queue/data"
    rf"|heartbeat/[\w-]{{1,64}})"
)
"""GET and HEAD."""
FILE = f"{API}/file="
UPLOAD, EVENT = f"{API}/upload", f"{API}/queue/join"
QUEUE = f"{API}/queue/data"
"""Where a page listens to its events."""
EVENTS = (EVENT, f"{API}/run/predict")
POSTS = {EVENT, f"{API}/run/predict", UPLOAD, f"{API}/reset", f"{API}/cancel"}
MOST_EVENT = 1 << 20
"""Maximum bytes of an event: texts and the names of files, whose bytes are sent by an upload."""
MOST_UPLOADS = 32
"""Maximum size of the folder, as a multiple of the largest request; files expire after an hour."""


MOST_FILES = 10_000
"""Of the folder at once."""
GONE = "mmbm-gone.png"
"""Placeholder of a file of the folder that a clean-up has removed, for `Folder.read`."""
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63600000"
    "00020001e221bc330000000049454e44ae426082"
)


class GoneFile(MmbmError):
    """A file of the playground's folder that no longer exists."""


class Folder:
    """The playground's own folder. It is created again if a system's clean-up has removed it."""

    def __init__(self, limits: Limits):
        self.path = Path(os.path.realpath(tempfile.mkdtemp(prefix="mmbm-playground-")))
        self.most = int(MOST_UPLOADS * limits.megabytes * 1e6)
        self.events: dict[int, int] = {}
        """Number of inputs of each function of the pages, by its id."""

    def make(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def holds(self, name: Any) -> bool:
        """Whether it is a regular file in the folder; links are followed first."""
        if not isinstance(name, str) or "\0" in name or not os.path.isabs(name):
            return False
        real = os.path.realpath(name)
        if not real.startswith(f"{self.path}{os.sep}"):
            return False
        try:
            return stat.S_ISREG(os.stat(real).st_mode)
        except OSError:
            return False

    def held(self, name: Any) -> bool:
        """Whether it names a file of the folder, existing or not."""
        plain = isinstance(name, str) and "\0" not in name and ".." not in name.split(os.sep)
        return plain and name.startswith(f"{self.path}{os.sep}") and not os.path.lexists(name)

    def read(self, name: str) -> bytes:
        """Raises GoneFile if it isn't a file of the folder."""
        if not self.holds(name) or Path(name).name == GONE:
            raise GoneFile("The file is no longer on the server. Upload it again.")
        return Path(name).read_bytes()

    def write(self, name: str, data: bytes) -> str:
        self.make()
        path = self.path / name
        with written(path, sync=False) as part:
            part.write_bytes(data)
        return str(path)

    def full(self) -> bool:
        """Whether it holds the maximum number of files or bytes."""
        files = (Path(root) / name for root, _, names in os.walk(self.path) for name in names)
        total = 0
        for count, file in enumerate(files):
            if count >= MOST_FILES:
                return True
            try:
                total += file.stat().st_size
            except OSError:  # deleted meanwhile
                continue
            if total > self.most:
                return True
        return False

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


async def passed(
    app: ASGIApp, folder: Folder, route: str, scope: Scope, receive: Receive, send: Send
) -> None:
    """Pass a request for `route`, its path below the playground's, to Gradio if it is allowed.
    Raises a RequestError for a file that it may not name."""
    method = scope["method"]
    if method in ("GET", "HEAD"):
        if not (PAGES.fullmatch(route) or named_file(folder, route)):
            return await nothing(scope, receive, send)
    elif method != "POST" or route.rstrip("/") not in POSTS:
        return await nothing(scope, receive, send)
    folder.make()
    if route.rstrip("/") == UPLOAD:
        if await asyncio.to_thread(folder.full):
            raise RequestError(
                503, "The playground holds too many files; they go after an hour.",
                reason="uploads_full", retry_after=600,
            )  # fmt: skip
    elif method == "POST":
        receive, scope = await checked(folder, scope, receive)
    try:
        await app(scope, receive, send)
    except RuntimeError as error:
        # Gradio reports an unknown session to the page within the stream, and then raises.
        if route.rstrip("/") != QUEUE or not isinstance(error.__cause__, HTTPException):
            raise
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def named_file(folder: Folder, route: str) -> bool:
    return route.startswith(FILE) and folder.holds(route.removeprefix(FILE))


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    answer: Response = PlainTextResponse("There is nothing here.", 404)
    await answer(scope, receive, send)


async def checked(folder: Folder, scope: Scope, receive: Receive) -> tuple[Receive, Scope]:
    """The event, fully read, without URLs and with no file but the folder's."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "The client went away.", reason="gone")
        body += message.get("body", b"")
        if len(body) > MOST_EVENT:
            raise RequestError(
                413, f"An event has more than {MOST_EVENT} bytes.", reason="too_large"
            )
        if not message.get("more_body", False):
            break
    event = own_files(parse(bytes(body)) if body else {}, folder)
    if scope["path"].endswith(EVENTS) and not is_event(event, folder.events):
        raise RequestError(422, "There is no such event of a page.", reason="event")
    text = json.dumps(event).encode()
    headers = [(k, v) for k, v in scope["headers"] if k != b"content-length"]
    scope = {**scope, "headers": [*headers, (b"content-length", str(len(text)).encode())]}
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": text, "more_body": False}

    return again, scope


def is_event(event: Any, known: dict[int, int]) -> bool:
    """Whether it is for a function of the pages, with the right number of inputs."""
    if not isinstance(event, dict) or not isinstance(event.get("data"), list):
        return False
    function, session = event.get("fn_index"), event.get("session_hash")
    if not isinstance(function, int) or not isinstance(session, str | None):
        return False
    return known.get(function) == len(event["data"])


def own_files(value: Any, folder: Folder) -> Any:
    """The same JSON, but files without their URL. Raises a RequestError for an external file."""
    if isinstance(value, list):
        return [own_files(one, folder) for one in value]
    if not isinstance(value, dict):
        return value
    path = value.get("path")
    if path is not None and not folder.holds(path):
        if not folder.held(path):
            raise RequestError(422, "A file is named that was not uploaded here.", reason="file")
        value = {**value, "path": folder.write(GONE, PIXEL)}
    files = path is not None or "meta" in value
    return {k: own_files(v, folder) for k, v in value.items() if not (files and k == "url")}
