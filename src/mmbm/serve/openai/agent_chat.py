"""Chat completions of an agent: it reads all messages, its output is the answer."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from starlette.responses import JSONResponse, Response

from mmbm.errors import MmbmError
from mmbm.serve.agent import Agent, Turn, begun
from mmbm.serve.limits import RequestError
from mmbm.serve.openai.chat import cell_of, chunks, completion
from mmbm.serve.openai.requests import Asked, Chat, Text, no, parted, valid
from mmbm.serve.openai.responses import events


class Said(BaseModel):
    """A message of the assistant or of the system."""

    content: Annotated[list[Text], BeforeValidator(lambda x: parted(x) or [])] = []
    model_config = ConfigDict(extra="allow")


async def talk(agent: Agent, asked: Chat, note: dict[str, Any]) -> Response:
    form = asked.response_format
    wanted = {"row": asked.row, "response_format": form and form.type != "text",
              "logprobs": asked.logprobs}  # fmt: skip
    for name in (name for name, value in wanted.items() if value):
        raise no(name, f"{agent.name} is an agent: it is asked by messages, and answers as text")
    note["rows"] = 1
    head = {"id": f"chatcmpl-{note['id']}", "created": int(time.time()), "model": agent.name}
    pieces = await begun(spoken(agent, turns(asked)))
    if asked.stream:
        return events(chunks(head, pieces, None), end=True)
    return JSONResponse(completion(head, "".join([piece async for piece in pieces])))


async def spoken(agent: Agent, talk: list[Turn]) -> AsyncIterator[str]:
    """Its output, in pieces. Raises a RequestError if a model can't answer."""
    try:
        async for piece in agent.say(talk):
            yield piece
    except MmbmError as wrong:
        raise RequestError(422, str(wrong), reason="agent") from wrong


def turns(asked: Chat) -> list[Turn]:
    """The messages, in order. Raises a RequestError for an unreadable part."""
    if asked.messages[-1].role != "user":
        raise no("messages", "the last one is the user's")
    found = []
    for i, message in enumerate(asked.messages):
        body, where = message.model_dump(), f"messages.{i}."
        kind = Asked if message.role == "user" else Said
        parts = [(part.type, cell_of(part)) for part in valid(kind, body, where).content]
        of = {sort: tuple(cell for s, cell in parts if s == sort) for sort, _ in parts}
        role = "system" if message.role == "developer" else message.role
        text = "\n".join(of.get("text", ()))
        found.append(Turn(role, text, of.get("image_url", ()), of.get("input_audio", ())))
    return found
