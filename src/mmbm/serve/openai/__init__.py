"""OpenAI-compatible API: chat completions, transcriptions, embeddings, models.

    POST /v1/chat/completions       the last user message's parts fill a row; its answer is the
                                    assistant's message: text, or JSON. An agent reads them all
    POST /v1/audio/transcriptions   a file -> its transcript, with the times of words
    POST /v1/embeddings             texts -> their places in the space of a contrastive target
    GET  /v1/models                 what is served

Written for the official client (github.com/openai/openai-python) after platform.openai.com/docs.
What an option would change and can't here is refused by its name; `asked.Unread` are the others.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mmbm.serve.agent import Agent
from mmbm.serve.limits import Limits, deadline
from mmbm.serve.middleware import or_gone
from mmbm.serve.model_server import ModelServer
from mmbm.serve.openai.agent_chat import talk
from mmbm.serve.openai.chat import complete
from mmbm.serve.openai.embeddings import embed
from mmbm.serve.openai.requests import Chat, Embed, form_body, json_body, no
from mmbm.serve.openai.transcriptions import transcribe


def routes(
    replicas: dict[str, ModelServer], limits: Limits, agents: Mapping[str, Agent]
) -> list[Route]:
    def named(name: str) -> ModelServer | Agent:
        if found := replicas.get(name) or agents.get(name):
            return found
        why = f"there is no {name[:100]!r}; models: {', '.join([*replicas, *agents])}"
        raise no("model", why, "model_not_found", 404)

    async def chat(model: ModelServer | Agent, asked: Chat, note: dict[str, Any]) -> Response:
        if isinstance(model, Agent):
            return await talk(model, asked, note)
        return await complete(model, asked, note, limits)

    def post(path: str, read: Callable[[Request], Awaitable[Any]], answer: Callable) -> Route:
        async def handle(request: Request) -> Response:
            note = request.scope["mmbm"]
            note["route"] = path
            async with deadline(limits):
                asked = await read(request)
                model = named(asked.model)
                if isinstance(model, Agent) and answer is not chat:
                    raise no("model", f"{model.name} is an agent: POST /v1/chat/completions")
                note["model"] = model.name
                work = answer(model, asked, note)
                return await or_gone(work, request.receive) or Response(status_code=499)

        return Route(path, handle, methods=["POST"])

    async def models(request: Request) -> Response:
        listed = [model_object(model) for model in (*replicas.values(), *agents.values())]
        return JSONResponse({"object": "list", "data": listed})

    async def model(request: Request) -> Response:
        return JSONResponse(model_object(named(request.path_params["id"])))

    return [
        Route("/v1/models", models),
        Route("/v1/models/{id}", model),
        post("/v1/chat/completions", partial(json_body, Chat), chat),
        post("/v1/embeddings", partial(json_body, Embed), partial(embed, limits=limits)),
        post("/v1/audio/transcriptions", partial(form_body, limits=limits), transcribe),
    ]


def model_object(model: ModelServer | Agent) -> dict[str, Any]:
    """A model in OpenAI's format, with its inputs and outputs."""
    about = {"model": model.name} if isinstance(model, Agent) else model.describe()
    return {
        "id": about.pop("model"), "object": "model", "created": model.since, "owned_by": "mmbm",
        **about,
    }  # fmt: skip
