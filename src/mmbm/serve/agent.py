"""Agents: a Python class that calls the served models and is served like a model.

    mmbm serve --model ears=BUNDLE … --agent assistant=package.module:Assistant

    class Assistant:
        async def __call__(self, talk, models):
            said = await models.answer("ears", {"speech": talk[-1].sounds[0]})
            yield said["words"]

It is listed by name in /v1/models and /v1/chat/completions, and has a chat page in the playground.
The class is the operator's own: it is named on the command line, never by a bundle or a request.
"""

import inspect
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmbm.errors import ConfigError, MmbmError
from mmbm.kinds.column import Cell
from mmbm.registry import find
from mmbm.search import Found
from mmbm.serve.model_server import ModelServer, ResponseOptions, Unreadable


class Turn(NamedTuple):
    """A turn of the conversation."""

    role: str
    """user, assistant or system."""
    text: str = ""
    pictures: tuple[Cell, ...] = ()
    """Bytes of files, or data URIs: cells of image columns."""
    sounds: tuple[Cell, ...] = ()


class Models:
    """The served models, with the batches and the limits of all requests."""

    def __init__(self, replicas: Mapping[str, ModelServer]):
        self.replicas = replicas

    async def answer(self, model: str, row: dict[str, Cell]) -> dict[str, Any]:
        """A row's answer as from `mmbm predict`, with probabilities. Raises Unreadable."""
        said = await self.replica(model).answer(row, ResponseOptions())
        if said["error"] is not None:
            raise Unreadable(said["error"], said["column"])
        return said

    async def search(
        self,
        model: str,
        row: dict[str, Cell],
        k: int = 10,
        of: str | None = None,
        where: str | None = None,
    ) -> list[Found]:
        """The nearest rows of the model's index. Raises MmbmError."""
        replica = self.replica(model)
        if replica.index is None:
            raise MmbmError(
                f"{model}: has no index to search. Serve it with --index {model}=INDEX."
            )
        return await replica.search(row, k, of, where)

    def replica(self, model: str) -> ModelServer:
        if model not in self.replicas:
            names = ", ".join(self.replicas)
            raise MmbmError(f"The agent asks a model {model!r}; there are {names}.")
        return self.replicas[model]


class Agent:
    """A served agent."""

    def __init__(self, name: str, kind: str, replicas: Mapping[str, ModelServer]):
        """kind: package.module:Class, created without arguments. Raises ConfigError."""
        made = find(kind)
        if not isinstance(made, type):
            raise ConfigError(f"{kind!r}: an agent is a class, not a {type(made).__name__}.")
        try:
            inspect.signature(made).bind()
        except TypeError as error:
            raise ConfigError(f"{kind!r}: an agent is made without arguments: {error}.") from error
        self.name, self.since = name, int(time.time())
        self.reply: Any = made()
        self.models = Models(replicas)

    async def say(self, talk: Sequence[Turn]) -> AsyncIterator[str]:
        """Its answer to the last turn, streamed in pieces."""
        async for piece in self.reply(talk, self.models):
            yield piece


async def begun(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """The same pieces, once the first has arrived: errors before it are raised to the caller."""
    first = await anext(pieces, "")

    async def all_of_them() -> AsyncIterator[str]:
        yield first
        async for piece in pieces:
            yield piece

    return all_of_them()
