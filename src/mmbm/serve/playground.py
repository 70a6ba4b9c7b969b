"""A page to try the models: a field for each input, the answer with bars, who contributed what.

Gradio is imported, in a thread, at the first visit: a server that nobody plays with doesn't pay for
it. Its own files are all it loads: no font, script or count of visits from elsewhere.
"""

import asyncio
import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mmbm.serve.agent import Agent
from mmbm.serve.limits import Limits
from mmbm.serve.replica import Replica, Wish

PATH = "/playground"
TOP = 6
"""Classes that are shown."""
SHOWN_AS = {
    "number": "Number",
    "labels": "Textbox",
    "transcript": "Textbox",
    "text": "Textbox",
    "match": "Number",
}
"""gradio's parts by kind of target; for others a Label."""
STYLE = "[id^=talk-] .message img { display: inline; min-width: 0; width: 8em }"
"""Pictures that an agent shows stand side by side."""
KEPT = 3600
"""Seconds after which an uploaded file is deleted."""
WORDS = {
    "en": {
        "ask": "Answer", "clear": "Clear", "contributions": "What contributed to it",
        "examples": "Rows from the valid split", "given": "given",
        "hint": "Leave out what you like: an empty field is absent, not zero.",
        "search": "Search", "found": "Found", "k": "Rows to find",
        "one": "One field is enough; of several, their mean is searched by.",
        "of": "What is searched (if empty, the first field that isn't given)",
        "where": "Only rows for which this is true, in SQL",
        "say": "Write, speak, or add a picture",
    },
    "zh-CN": {
        "ask": "回答", "clear": "清空", "contributions": "各模态的贡献",
        "examples": "验证集中的样例", "given": "已给出",
        "hint": "可以任意留空：留空表示缺失，而不是零。",
        "search": "搜索", "found": "结果", "k": "返回行数",
        "one": "填写一项即可；填写多项时，按它们的平均来搜索。",
        "of": "在哪一列中搜索（留空则为第一个未填写的列）",
        "where": "只返回满足此条件的行（SQL 表达式）",
        "say": "写字、说话，或添加图片",
    },
}  # fmt: skip


class Playground:
    """An ASGI app that becomes Gradio's at its first request."""

    def __init__(self, replicas: dict[str, Replica], agents: Mapping[str, Agent], limits: Limits):
        self.replicas, self.agents, self.limits = replicas, agents, limits
        self.app: Any = None
        self._opening = asyncio.Lock()
        self._life: asyncio.Task | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["mmbm"]["route"] = PATH
        try:
            app = await self._opened()
        except ModuleNotFoundError:
            text = 'The playground needs more packages: pip install "mmbm[playground]"'
            await PlainTextResponse(text, 404)(scope, receive, send)
            return
        # Gradio is mounted at the same place: it finds its path itself.
        await app({**scope, "root_path": scope.get("app_root_path", "")}, receive, send)

    async def _opened(self) -> ASGIApp:
        async with self._opening:
            if self.app is None:
                self.app = await asyncio.to_thread(build, self.replicas, self.agents, self.limits)
                await self._start(self.app)
            return self.app

    async def _start(self, app: Any) -> None:
        """What Gradio does when a server starts; undone when the loop ends."""
        started = asyncio.Event()

        async def live() -> None:
            async with app.router.lifespan_context(app):
                started.set()
                await asyncio.Event().wait()

        self._life = asyncio.create_task(live())
        await started.wait()


async def several_processes(scope: Scope, receive: Receive, send: Send) -> None:
    """Instead of the playground where requests of one page may come to any of them."""
    scope["mmbm"]["route"] = PATH
    text = "The playground needs a server of one process: start it without --workers."
    await PlainTextResponse(text, 404)(scope, receive, send)


def build(replicas: dict[str, Replica], agents: Mapping[str, Agent], limits: Limits) -> Any:
    """Gradio's app, mounted at PATH. Raises ModuleNotFoundError without the extra."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    import gradio
    from fastapi import FastAPI
    from gradio import themes

    from mmbm.serve.conversation import conversation
    from mmbm.serve.gallery import page

    words = gradio.I18n(**WORDS)
    with gradio.Blocks(title=", ".join([*agents, *replicas]), analytics_enabled=False,
                       delete_cache=(KEPT, KEPT)) as blocks:  # fmt: skip
        for name, agent in agents.items():
            with gradio.Tab(name):
                conversation(gradio, words, agent)
        for name in replicas:
            with gradio.Tab(name):
                panel(gradio, words, replicas, name)
            if replicas[name].index is not None:
                with gradio.Tab(words("search") if len(replicas) == 1 else f"{name}: 🔍"):
                    page(gradio, words, replicas, name)
    font = [themes.Font(name) for name in ("system-ui", "sans-serif")]
    theme = themes.Default(font=font, font_mono=["monospace"])
    return gradio.mount_gradio_app(
        FastAPI(), blocks, path=PATH, i18n=words, theme=theme, css=STYLE, footer_links=[],
        run_history=False, max_file_size=int(limits.megabytes * 1e6), ssr_mode=False,
    )  # fmt: skip


def panel(gradio: Any, words: Any, replicas: dict[str, Replica], model: str) -> None:
    """One model: inputs to the left, answers to the right, golden rows below."""
    replica = replicas[model]
    columns, config = replica.bundle.columns, replica.bundle.config
    names, kinds = list(config.inputs), [spec.kind for spec in config.targets.values()]
    with gradio.Row():
        with gradio.Column():
            fields = [field(gradio, name, columns[name].describe()) for name in names]
            given = {
                name: gradio.Checkbox(False, label=f"{name}: {WORDS['en']['given']}")
                for name, one in zip(names, fields)
                if isinstance(one, gradio.Slider)
            }
            gradio.Markdown(words("hint"))
            with gradio.Row():
                ask = gradio.Button(words("ask"), variant="primary", elem_id=f"ask-{model}")
                gradio.ClearButton([*fields, *given.values()], value=words("clear"))
        with gradio.Column():
            answers = [
                getattr(gradio, SHOWN_AS.get(kind, "Label"))(label=name)
                for name, kind in zip(config.targets, kinds)
            ]
            bars = gradio.HTML(label=words("contributions"), show_label=True)

    async def answer(*cells: Any) -> list[Any]:
        values = dict(zip([*names, *(f"{name}/given" for name in given)], cells))
        row = {
            name: cell_of(values[name], columns[name].describe().media)
            for name in names
            if values.get(f"{name}/given", True)
        }
        said = await replicas[model].answer(row, Wish(explain=True))
        if said["error"] is not None:
            raise gradio.Error(said["error"])
        shown = [shown_answer(said, name, kind) for name, kind in zip(config.targets, kinds)]
        return [*shown, contributions(said, list(config.targets))]

    for slider, box in [(one, given[name]) for name, one in zip(names, fields) if name in given]:
        slider.input(lambda: True, None, box)
    ask.click(answer, [*fields, *given.values()], [*answers, bars], api_name=False)
    rows = examples(replica, names)
    if rows:
        gradio.Examples(
            [[*row, *(True for _ in given)] for row in rows], [*fields, *given.values()],
            label=words("examples"),
        )  # fmt: skip


def field(gradio: Any, name: str, described: Any) -> Any:
    schema = described.schema
    listed = schema.get("items", schema)
    choices = listed.get("enum") or listed.get("examples") or []
    match described.widget:
        case "image":  # kept as it is: no other mode, no loss
            return gradio.Image(
                label=name, type="filepath", format="png", image_mode=None,
                sources=["upload", "webcam", "clipboard"], height=240,
            )  # fmt: skip
        case "audio":
            return gradio.Audio(label=name, type="filepath", sources=["upload", "microphone"])
        case "number" if choices and choices[0] < choices[-1]:
            return gradio.Slider(choices[0], choices[-1], label=name)
        case "number":
            return gradio.Number(label=name, value=None)
        case "choice":
            return gradio.Dropdown([None, *choices], label=name, allow_custom_value=True)
        case "choices":
            return gradio.Dropdown(choices, label=name, multiselect=True, value=[])
        case _:
            return gradio.Textbox(label=name, lines=2)


def cell_of(value: Any, media: str | None) -> Any:
    """What a field holds -> a cell; an empty field is absent."""
    if value in ("", None, []):
        return None
    return Path(value).read_bytes() if media else value


def shown_answer(said: dict[str, Any], target: str, kind: str) -> Any:
    """For Label the most probable classes; labels as one text; a number, a transcript, a text, how
    alike a row's cells are, as it is."""
    if kind in ("number", "transcript", "text", "match"):
        return said[target]
    if kind == "labels":
        return "; ".join(said[target])
    start = f"{target}.p."
    p = {key.removeprefix(start): v for key, v in said.items() if key.startswith(start)}
    return dict(sorted(p.items(), key=lambda pair: -pair[1])[:TOP])


def contributions(said: dict[str, Any], targets: list[str]) -> str:
    """Bars to the right for what speaks for an answer, to the left for what speaks against it."""
    lines = []
    for target in targets:
        start = f"{target}.because."
        parts = {k.removeprefix(start): v for k, v in said.items() if k.startswith(start)}
        most = max(map(abs, parts.values()), default=0) or 1
        for name, value in parts.items():
            width, left = 50 * abs(value) / most, 50 - 50 * max(-value, 0) / most
            colour = "#2a9d8f" if value >= 0 else "#e76f51"
            lines.append(
                f"<div style='display:flex;gap:8px;align-items:center;margin:4px 0'>"
                f"<span style='width:11em'>{html.escape(target)} ← {html.escape(name)}</span>"
                f"<span style='flex:1;position:relative;height:12px'>"
                f"<span style='position:absolute;left:{left:.1f}%;width:{width:.1f}%;height:100%;"
                f"background:{colour}'></span></span>"
                f"<span style='width:5em;text-align:right'>{value:+.3f}</span></div>"
            )
    return "".join(lines)


def examples(replica: Replica, names: list[str]) -> list[list[Any]]:
    """Golden rows, media as the files of the bundle."""
    folder, rows = replica.bundle.path / "golden", []
    for row in replica.bundle.golden_rows():
        files = [row.get(name) for name in names]
        rows.append([str(folder / c["file"]) if isinstance(c, dict) else c for c in files])
    return rows
