"""Schemas of request bodies, validated. Names are OpenAI's; our own fields are marked."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request

from mmbm.serve.body import form_cells, read_json
from mmbm.serve.limits import Limits, RequestError

LONGEST = 2048
"""Maximum members of a list or an object: messages, texts to embed, cells of a row."""


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Unread(Body):
    """Options of text generation, which have no effect on other targets. For a model that generates
    text, they must equal those of its config."""

    temperature: Any = None
    top_p: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    seed: Any = None
    user: Any = None
    safety_identifier: Any = None
    metadata: Any = None
    service_tier: Any = None
    reasoning_effort: Any = None
    verbosity: Any = None
    prompt_cache_key: Any = None
    store: Literal[False] | None = None


class Text(Body):
    type: Literal["text"]
    text: str


class Url(Body):
    url: str
    detail: Any = None


class Picture(Body):
    type: Literal["image_url"]
    image_url: Url


class Sound(Body):
    data: str
    format: str | None = None


class Audio(Body):
    type: Literal["input_audio"]
    input_audio: Sound


Part = Annotated[Text | Picture | Audio, Field(discriminator="type")]


def parted(content: Any) -> Any:
    """A plain string is one part, an empty one none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


class Asked(Body):
    """The message that is read: the last one of the user."""

    role: Literal["user"]
    content: Annotated[list[Part], BeforeValidator(parted, json_schema_input_type=str | list[Part])]
    name: Any = None


class Message(BaseModel):
    """The other messages are not read."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Any = None
    model_config = ConfigDict(extra="allow")


class Schema(Body):
    name: str
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None
    description: str | None = None


class Format(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class StreamOptions(Body):
    include_usage: bool | None = None
    include_obfuscation: Any = None


class Chat(Unread):
    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    row: dict[str, Any] = {}
    """Cells by column, besides those that the message's parts fill: ours, not OpenAI's."""
    response_format: Format | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    n: Literal[1] | None = None
    modalities: list[Literal["text"]] | None = None


class Embed(Body):
    model: str
    input: Annotated[
        list[str],
        Field(min_length=1),
        BeforeValidator(
            lambda x: [x] if isinstance(x, str) else x, json_schema_input_type=str | list[str]
        ),
    ]
    column: str | None = None
    """The column of the texts; the first text column of the contrastive target if not given.
    Ours."""
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: Any = None


class Transcribe(Body):
    model: str
    file: bytes
    target: str | None = None
    """The transcript, for a model that has several. Ours."""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    granularities: list[Literal["word", "segment"]] = Field([], alias="timestamp_granularities[]")
    stream: Literal["true", "false", "True", "False"] = "false"
    language: Any = None
    temperature: Any = None


async def json_body(kind: type[BaseModel], request: Request) -> Any:
    body = await read_json(request)
    bounded(body)
    if isinstance(body, dict):  # clients send null for an unset option
        body = {name: value for name, value in body.items() if value is not None}
    return valid(kind, body)


async def form_body(request: Request, limits: Limits) -> Transcribe:
    said: dict[str, Any] = {}
    for name, cell in await form_cells(request, limits):
        if name in said and not name.endswith("[]"):
            raise no(name[:100], "is given twice")
        said[name] = [*said.get(name, []), cell] if name.endswith("[]") else cell
    return valid(Transcribe, said)


def bounded(body: Any) -> None:
    """Raises a RequestError of a list or an object that no request needs: each of its members
    would be checked, and what is wrong with it kept, before the first is told."""
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | dict) and len(value) > LONGEST:
            raise RequestError(
                413, f"A list or an object of the body has more than {LONGEST} members.",
                reason="too_large",
            )  # fmt: skip
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def valid(kind: type[BaseModel], body: Any, where: str = "") -> Any:
    """The body as `kind`. Raises a RequestError that names the first invalid field."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = where + ".".join(map(str, first["loc"])) or "The body"
        why = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "extra_forbidden":
            why = "is not supported here, and to leave it out would change what is asked for"
        raise no(field, why) from error


def no(field: str, why: str, reason: str = "parameter", status: int = 422) -> RequestError:
    """The error of a field; unpaired surrogates of a request are left out of the answer."""
    field, why = (x[:1000].encode(errors="backslashreplace").decode() for x in (field, why))
    return RequestError(status, f"{field}: {why}.", reason=reason, column=field)
