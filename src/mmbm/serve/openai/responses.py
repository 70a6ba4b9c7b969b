"""Common parts of responses: their row, token counts, and streaming."""

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from mmbm.inference.predict import Decoded
from mmbm.serve.body import Row
from mmbm.serve.limits import RequestError
from mmbm.serve.model_server import ModelServer


async def decoded(replica: ModelServer, row: Row) -> Decoded:
    found = await replica.decode(row)
    if found.error is not None:
        raise RequestError(422, f"{found.error}.", reason="bad_cell", column=found.column)
    return found


def text_tokens(replica: ModelServer, row: Decoded) -> int:
    """Tokens of a row's texts, by the tokenizers of their columns."""
    inputs = replica.bundle.config.inputs.items()
    cells = (row.cells[name] for name, spec in inputs if spec.traits.message == "text")
    return sum(len(cell) for cell in cells if cell is not None)


def events(messages: AsyncIterator[dict[str, Any]], end: bool) -> Response:
    """Server-sent events (html.spec.whatwg.org). A RequestError in the middle is sent as the last
    event, which OpenAI's clients raise."""

    async def lines() -> AsyncIterator[bytes]:
        try:
            async for message in messages:
                yield event(message)
        except RequestError as wrong:
            yield event(wrong.as_openai()[1])
            return
        if end:
            yield b"data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def event(message: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(message, ensure_ascii=False).encode() + b"\n\n"
