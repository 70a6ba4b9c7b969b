"""Pages to try the models: a form for each, its answer with bars, search, and talk with agents.

    __init__.py   the ASGI app, which imports Gradio before the server starts
    gate.py       what of a request reaches Gradio, and which files it may name
    panel.py      a model's form and its answer        examples.py  rows of the valid split
    search.py     an index                             chat.py      an agent
    words.py      what the pages say, in English and Chinese

Its own files are all that a page loads: no font, script or count of visits from elsewhere.
"""

import asyncio
import os
import warnings
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from mmbm.serve.agent import Agent
from mmbm.serve.limits import Limits, Refusal
from mmbm.serve.playground import examples, gate
from mmbm.serve.playground.words import WORDS
from mmbm.serve.replica import Replica

PATH = "/playground"
STYLE = "[id^=talk-] .message img { display: inline; min-width: 0; width: 8em }"
"""Images that an agent shows stand side by side."""
KEPT = 3600
"""Seconds after which an uploaded file is deleted."""
WAITING = 64
"""Events that wait for their turn; one more is told that the server is busy."""


class Playground:
    """An ASGI app that is Gradio's behind a gate.

    Gradio takes seconds to import, during which all other requests would be answered late, so it is
    made with this object, before a server listens.
    """

    def __init__(
        self,
        replicas: dict[str, Replica],
        agents: Mapping[str, Agent],
        limits: Limits,
        root: str = "",
    ):
        self.replicas, self.agents, self.limits, self.root = replicas, agents, limits, root
        self.folder = gate.Folder(limits)
        self.pages = 0  # requests under way: a page that is open holds some of them
        self._starting = asyncio.Lock()
        self._life: asyncio.Task | None = None
        try:
            with warnings.catch_warnings():  # of Gradio's, about options of its own examples
                warnings.simplefilter("ignore", UserWarning)
                self.app: Any = build(self, self.folder)
        except ModuleNotFoundError:  # without the extra
            self.app = None

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
            raise Refusal(
                503, "Too many pages of the playground are open.", reason="too_many_pages",
                retry_after=5,
            )  # fmt: skip
        self.pages += 1
        try:
            await self._answer(route, scope, receive, send)
        finally:
            self.pages -= 1

    async def _answer(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:
            text = 'The playground needs more packages: pip install "mmbm[playground]"'
            await PlainTextResponse(text, 404)(scope, receive, send)
            return
        async with self._starting:
            if self._life is None:
                await self._start(self.app)
        # Gradio is mounted at the same place: it finds its path itself.
        scope = {**scope, "root_path": scope.get("app_root_path", "")}
        await gate.passed(self.app, self.folder, route, scope, receive, send)

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


class Nothing:
    """Instead of the playground: why there is none."""

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
    blocks.has_launched = True  # without it Gradio takes no look at which files an event names
    return app
