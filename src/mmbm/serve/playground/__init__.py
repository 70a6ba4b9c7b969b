"""Playground: web pages with a form for each model, its answer with bars, search, and agent chat.

    __init__.py   the ASGI app, which imports Gradio at the first visit, in a thread
    gate.py       what of a request reaches Gradio, and which files it may name
    panel.py      a model's form and its answer        examples.py  rows of the valid split
    search.py     an index                             chat.py      an agent
    words.py      the texts of the pages, in English and Chinese

A page loads the server's own files only: no external font, script or analytics.
"""

import asyncio
import importlib.util
import os
import warnings
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from mmbm.serve.agent import Agent
from mmbm.serve.limits import Limits, RequestError
from mmbm.serve.model_server import ModelServer
from mmbm.serve.playground import examples, gate
from mmbm.serve.playground.words import WORDS

PATH = "/playground"
STYLE = "[id^=talk-] .message img { display: inline; min-width: 0; width: 8em }"
"""Images that an agent shows stand side by side."""
STARTING = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<title>mmbm</title><p>The playground starts: a few seconds. 正在启动，请稍候几秒。</p>
"""
"""The page that a browser shows until Gradio is imported."""
KEPT = 3600
"""Seconds after which an uploaded file is deleted."""
WAITING = 64
"""Maximum events in the queue; for one more the server reports that it is busy."""


class Playground:
    """An ASGI app that becomes Gradio's, behind a gate, at its first request: Gradio takes seconds
    to import and 90 MB, which a server without visitors saves. Until then a browser is asked to
    retry.
    """

    def __init__(
        self,
        replicas: dict[str, ModelServer],
        agents: Mapping[str, Agent],
        limits: Limits,
        root: str = "",
    ):
        self.replicas, self.agents, self.limits, self.root = replicas, agents, limits, root
        self.folder = gate.Folder(limits)
        self.pages = 0  # requests in progress: an open page holds some of them
        self._opening: asyncio.Task | None = None
        self._life: asyncio.Task | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise HTTPException(404)
        scope["mmbm"]["route"] = PATH
        route = scope["path"].removeprefix(scope.get("app_root_path", "")).removeprefix(PATH)
        if route.startswith(examples.ROUTE):
            answer = await asyncio.to_thread(examples.media, self.replicas, route)
            await answer(scope, receive, send)
            return
        if self.pages >= self.limits.pages:
            raise RequestError(
                503, "Too many pages of the playground are open.", reason="too_many_pages",
                retry_after=5,
            )  # fmt: skip
        self.pages += 1
        try:
            await self._answer(route, scope, receive, send)
        finally:
            self.pages -= 1

    async def _answer(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        if importlib.util.find_spec("gradio") is None:
            text = 'The playground needs more packages: pip install "mmbm[playground]"'
            await PlainTextResponse(text, 404)(scope, receive, send)
            return
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        if not self._opening.done() and route in ("", "/") and is_browser(scope):
            await HTMLResponse(STARTING, 503, {"Retry-After": "1"})(scope, receive, send)
            return
        app = await asyncio.shield(self._opening)  # shared: not cancelled with this request
        # Gradio is mounted at the same place: it finds its path itself.
        scope = {**scope, "root_path": scope.get("app_root_path", "")}
        await gate.passed(app, self.folder, route, scope, receive, send)

    async def _open(self) -> Any:
        app = await asyncio.to_thread(build, self, self.folder)
        await self._start(app)
        return app

    async def _start(self, app: Any) -> None:
        """What Gradio does when a server starts; undone when the loop ends."""
        started = asyncio.Event()

        async def live() -> None:
            async with app.router.lifespan_context(app):
                started.set()
                await asyncio.Event().wait()

        self._life = asyncio.create_task(live())
        await started.wait()

    def close(self) -> None:
        self.folder.remove()


def is_browser(scope: Scope) -> bool:
    """Whether a page is asked for, to be shown."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


class Nothing:
    """The page that explains why there is no playground."""

    def __init__(self, why: str):
        self.why = why

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise HTTPException(404)
        scope["mmbm"]["route"] = PATH
        await PlainTextResponse(self.why, 404)(scope, receive, send)

    def close(self) -> None:
        pass


SEVERAL = Nothing("The playground needs a server of one process: start it without --workers.")
"""Requests of one page may come to any of several."""
OFF = Nothing("The playground is off: start the server without --no-playground.")


def build(playground: Playground, folder: gate.Folder) -> Any:
    """Gradio's app, mounted at PATH. Raises ModuleNotFoundError without the extra."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    os.environ["GRADIO_TEMP_DIR"] = str(folder.path)
    warnings.filterwarnings("ignore", category=UserWarning, module="gradio")  # of its own examples
    import gradio
    from fastapi import FastAPI
    from gradio import themes

    from mmbm.serve.playground.chat import conversation
    from mmbm.serve.playground.panel import panel
    from mmbm.serve.playground.search import page

    replicas, agents, words = playground.replicas, playground.agents, gradio.I18n(**WORDS)
    root = f"{playground.root}{PATH}"
    with gradio.Blocks(title=", ".join([*agents, *replicas]), analytics_enabled=False,
                       delete_cache=(KEPT, KEPT)) as blocks:  # fmt: skip
        for name, agent in agents.items():
            with gradio.Tab(name):
                conversation(gradio, words, agent, folder)
        for name in replicas:
            with gradio.Tab(name):
                panel(gradio, words, replicas, name, folder, root)
            if replicas[name].index is not None:
                with gradio.Tab(words("search") if len(replicas) == 1 else f"{name}: 🔍"):
                    page(gradio, words, replicas, name, folder)
    blocks.queue(max_size=WAITING)
    font = [themes.Font(name) for name in ("system-ui", "sans-serif")]
    theme = themes.Default(font=font, font_mono=["monospace"])
    app = gradio.mount_gradio_app(
        FastAPI(), blocks, path=PATH, i18n=words, theme=theme, css=STYLE + examples.STYLE,
        footer_links=[], run_history=False, ssr_mode=False, show_error=False,
        max_file_size=int(playground.limits.megabytes * 1e6),
        root_path=root,
    )  # fmt: skip
    folder.events.update({number: len(fn.inputs) for number, fn in blocks.fns.items()})
    blocks.has_launched = True  # without it Gradio doesn't check which files an event names
    return app
