"""Chat completions: the parts of a message fill a row, its answer is the assistant's message."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import JSONResponse, Response

from mmbm.kinds.text.column import TextColumn
from mmbm.serve.body import Row, check
from mmbm.serve.limits import Limits, RequestError
from mmbm.serve.model_server import ModelServer, ResponseOptions
from mmbm.serve.openai.requests import Asked, Audio, Chat, Picture, Text, no, valid
from mmbm.serve.openai.response_format import Shape
from mmbm.serve.openai.responses import decoded, events, text_tokens


async def complete(
    replica: ModelServer, asked: Chat, note: dict[str, Any], limits: Limits
) -> Response:
    form = Shape.of(replica, asked)
    note["rows"] = 1
    row = await decoded(replica, filled(replica, asked))
    read = text_tokens(replica, row)

    def usage(answers: dict[str, Any]) -> dict[str, int]:
        written = spent(replica, answers)
        return {
            "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
        }  # fmt: skip

    head = {
        "id": f"chatcmpl-{note['id']}", "created": int(time.time()), "model": replica.name,
        "system_fingerprint": replica.bundle.version,
    }  # fmt: skip
    shown = asked.stream_options and asked.stream_options.include_usage
    if asked.stream and form.written:
        if replica.writing >= limits.streams:
            why = f"{limits.streams} texts are streamed already."
            raise RequestError(503, why, reason="too_many_streams", retry_after=5)
        parts = replica.write(row, form.written)
        used = (lambda text: usage({form.written: text})) if shown else None
        return events(chunks(head, parts, used), end=True)
    answer = await replica.submit(row, ResponseOptions(probabilities=form.likely is not None))
    text, likely = form.text(answer), form.logprobs(answer)
    cost = usage({name: answer[name] for name in form.targets})
    if asked.stream:
        used = (lambda _: cost) if shown else None
        return events(chunks(head, once(text), used, likely), end=True)
    return JSONResponse({**completion(head, text, likely), "usage": cost})


def completion(head: dict[str, Any], text: str, logprobs: Any = None) -> dict[str, Any]:
    """The assistant's message, complete."""
    choice = {
        "index": 0, "finish_reason": "stop", "logprobs": logprobs,
        "message": {"role": "assistant", "content": text, "refusal": None},
    }  # fmt: skip
    return {**head, "object": "chat.completion", "choices": [choice]}


async def once(text: str) -> AsyncIterator[str]:
    yield text


async def chunks(
    head: dict[str, Any],
    pieces: AsyncIterator[str],
    usage: Callable[[str], dict[str, int]] | None,
    likely: Any = None,
) -> AsyncIterator[dict[str, Any]]:
    """The assistant's message, streamed in pieces."""

    def chunk(delta: dict[str, Any], logprobs: Any = None, finish: str | None = None) -> dict:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return {**head, "object": "chat.completion.chunk", "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    text = ""
    async for piece in pieces:
        text += piece
        yield chunk({"content": piece}, likely)
    yield chunk({}, finish="stop")
    if usage:
        yield {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage(text)}


def filled(replica: ModelServer, asked: Chat) -> Row:
    """The row: the cells that `row` names, and each part of the last user message in the next
    column of its kind. Raises a RequestError of a part that has none."""
    last = next((i for i, m in reversed([*enumerate(asked.messages)]) if m.role == "user"), None)
    if last is None:
        raise no("messages", "none is the user's")
    content = valid(Asked, asked.messages[last].model_dump(), f"messages.{last}.").content
    row = dict(check(asked.row, replica.bundle))
    inputs = replica.bundle.config.inputs
    free = {
        part: [n for n, spec in inputs.items() if spec.traits.message == part and n not in row]
        for part in ("text", "image_url", "input_audio")
    }
    for part in content:
        sort, cell = part.type, cell_of(part)
        if not free[sort]:
            takes = ", ".join(f"{name} ({spec.kind})" for name, spec in inputs.items())
            why = f"a part of type {sort} that no column is left for: {replica.name} takes {takes}"
            cure = 'in this order; any column can be named instead: "row": {"COLUMN": value}'
            raise no("messages", f"{why}, {cure}", "parts")
        row[free[sort].pop(0)] = cell
    return row


def cell_of(part: Text | Picture | Audio) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Audio):
        return part.input_audio.data
    if part.image_url.url[:5].lower() != "data:":
        why = "nothing that a request names is opened, so a URL won't do. Send the picture itself"
        raise no("image_url", f"{why}: data:image/png;base64,…", "url")
    return part.image_url.url


def spent(replica: ModelServer, answers: dict[str, Any]) -> int:
    """Tokens of the answers: a class, a number or labels count as one."""
    total = 0
    for name, value in answers.items():
        column = replica.bundle.columns[name]
        if isinstance(column, TextColumn):
            total += len(column.tokens(value))
        else:
            ids = column.decode(value) if column.storage.ragged else None
            total += 1 if ids is None else len(ids)
    return total
