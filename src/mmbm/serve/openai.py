"""The interface of OpenAI: chat completions, transcriptions, embeddings, models.

    POST /v1/chat/completions       the last user message's parts fill a row; its answer is the
                                    assistant's message: text, or JSON
    POST /v1/audio/transcriptions   a file -> what is said, with the times of words
    POST /v1/embeddings             texts -> their places in the space of a match
    GET  /v1/models                 what is served

Written for the official client (github.com/openai/openai-python) after platform.openai.com/docs.
What an option would change and can't here is refused by its name; `Unread` are the others.
"""

import base64
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from mmbm.columns.text import TextColumn
from mmbm.config import TextTarget, TranscriptTarget
from mmbm.predict import Decoded
from mmbm.serve.body import FIELDS, Row, check, parse
from mmbm.serve.guard import or_gone
from mmbm.serve.limits import Limits, Refusal, deadline
from mmbm.serve.replica import Replica, Wish, together

PAUSE, LONGEST, LETTERS = 0.8, 6.0, 80
"""A subtitle ends at a pause of so many seconds, and holds at most so many seconds and letters."""
LEAST = -9999.0
"""The logarithm of no probability at all, as OpenAI writes it."""


# ── what is asked ────────────────────────────────────────────────────────────────────────────────


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Unread(Body):
    """Options of a writer of texts, that change nothing in one answer out of those there are. Of a
    model that writes, they must be those of its config."""

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
    """Of the others nothing is read."""

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
    """Cells by column, beside those that the message's parts fill: ours, not OpenAI's."""
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
    """What the texts are cells of; the first text column of the match if not said. Ours."""
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: Any = None


Granularities = list[Literal["word", "segment"]]


class Transcribe(Body):
    model: str
    file: bytes
    target: str | None = None
    """The transcript, of a model that has several. Ours."""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    granularities: Annotated[Granularities, Field(alias="timestamp_granularities[]")] = []
    stream: Literal["true", "false", "True", "False"] = "false"
    language: Any = None
    temperature: Any = None


# ── routes ───────────────────────────────────────────────────────────────────────────────────────


def routes(replicas: dict[str, Replica], limits: Limits) -> list[Route]:
    def named(name: str) -> Replica:
        if name in replicas:
            return replicas[name]
        why = f"there is no {name[:100]!r}; models: {', '.join(replicas)}"
        raise no("model", why, "model_not_found", 404)

    def post(path: str, read: Callable[[Request], Awaitable[Any]], answer: Callable) -> Route:
        async def handle(request: Request) -> Response:
            note = request.scope["mmbm"]
            note["route"] = path
            async with deadline(limits):
                asked = await read(request)
                replica = named(asked.model)
                note["model"] = replica.name
                work = answer(replica, asked, note)
                return await or_gone(work, request.receive) or Response(status_code=499)

        return Route(path, handle, methods=["POST"])

    async def models(request: Request) -> Response:
        listed = [model_object(replica) for replica in replicas.values()]
        return JSONResponse({"object": "list", "data": listed})

    async def model(request: Request) -> Response:
        return JSONResponse(model_object(named(request.path_params["id"])))

    return [
        Route("/v1/models", models),
        Route("/v1/models/{id}", model),
        post("/v1/chat/completions", partial(json_body, Chat), partial(chat, limits=limits)),
        post("/v1/embeddings", partial(json_body, Embed), partial(embed, limits=limits)),
        post("/v1/audio/transcriptions", partial(form_body, limits=limits), transcribe),
    ]


def model_object(replica: Replica) -> dict[str, Any]:
    """As OpenAI lists a model, and what it takes and answers besides."""
    about = replica.describe()
    return {
        "id": about.pop("model"), "object": "model", "created": replica.since, "owned_by": "mmbm",
        **about,
    }  # fmt: skip


async def json_body(kind: type[BaseModel], request: Request) -> Any:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in ("application/json", ""):
        raise Refusal(415, f"The body is {media}; send application/json.", reason="media_type")
    body = parse(await request.body())
    if isinstance(body, dict):  # null is how clients don't ask for something
        body = {name: value for name, value in body.items() if value is not None}
    return valid(kind, body)


async def form_body(request: Request, limits: Limits) -> Transcribe:
    size = int(limits.megabytes * 1e6)
    async with request.form(max_files=FIELDS, max_fields=FIELDS, max_part_size=size) as form:
        said: dict[str, Any] = {}
        for name, part in form.multi_items():
            cell = await part.read() if isinstance(part, UploadFile) else part
            if name in said and not name.endswith("[]"):
                raise no(name[:100], "is given twice")
            said[name] = [*said.get(name, []), cell] if name.endswith("[]") else cell
    return valid(Transcribe, said)


def valid(kind: type[BaseModel], body: Any, where: str = "") -> Any:
    """The body as `kind`. Raises a Refusal that names the first field that won't do."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = where + ".".join(map(str, first["loc"])) or "The body"
        why = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "extra_forbidden":
            why = "is not supported here, and to leave it out would change what is asked for"
        raise no(field, why) from error


def no(field: str, why: str, reason: str = "parameter", status: int = 422) -> Refusal:
    """What is wrong with a field; half a surrogate pair of a request is no part of an answer."""
    field, why = (x[:1000].encode(errors="backslashreplace").decode() for x in (field, why))
    return Refusal(status, f"{field}: {why}.", reason=reason, column=field)


async def decoded(replica: Replica, row: Row) -> Decoded:
    found = await replica.decode(row)
    if found.error is not None:
        raise Refusal(422, f"{found.error}.", reason="bad_cell", column=found.column)
    return found


def text_tokens(replica: Replica, row: Decoded) -> int:
    """What is read of a row's texts, by the tokenizers of their columns."""
    inputs = replica.bundle.config.inputs.items()
    cells = (row.cells[name] for name, spec in inputs if spec.kind == "text")
    return sum(len(cell) for cell in cells if cell is not None)


def events(messages: AsyncIterator[dict[str, Any]], end: bool) -> Response:
    """Server-sent events (html.spec.whatwg.org)."""

    async def lines() -> AsyncIterator[bytes]:
        async for message in messages:
            yield b"data: " + json.dumps(message, ensure_ascii=False).encode() + b"\n\n"
        if end:
            yield b"data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


# ── chat ─────────────────────────────────────────────────────────────────────────────────────────


async def chat(replica: Replica, asked: Chat, note: dict[str, Any], limits: Limits) -> Response:
    form = Shape.of(replica, asked)
    note["rows"] = 1
    row = await decoded(replica, filled(replica, asked))
    prompt = text_tokens(replica, row)
    head = {
        "id": f"chatcmpl-{note['id']}", "created": int(time.time()), "model": replica.name,
        "system_fingerprint": replica.bundle.version,
    }  # fmt: skip
    shown = asked.stream_options is not None and bool(asked.stream_options.include_usage)
    if asked.stream and form.written:
        if replica.writing >= limits.streams:
            why = f"{limits.streams} texts are streamed already."
            raise Refusal(503, why, reason="too_many_streams", retry_after=5)
        parts = replica.write(row, form.written)
        usage = lambda text: counted(prompt, spent(replica, {form.written: text}))  # noqa: E731
        return events(chunks(head, parts, usage if shown else None), end=True)
    answer = await replica.submit(row, Wish(probabilities=form.likely is not None))
    text, likely = form.text(answer), form.logprobs(answer)
    used = counted(prompt, spent(replica, {name: answer[name] for name in form.targets}))
    if asked.stream:
        whole = chunks(head, once(text), (lambda _: used) if shown else None, likely)
        return events(whole, end=True)
    choice = {
        "index": 0, "finish_reason": "stop", "logprobs": likely,
        "message": {"role": "assistant", "content": text, "refusal": None},
    }  # fmt: skip
    return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": used})


async def once(text: str) -> AsyncIterator[str]:
    yield text


async def chunks(
    head: dict[str, Any],
    pieces: AsyncIterator[str],
    usage: Callable[[str], dict[str, int]] | None,
    likely: Any = None,
) -> AsyncIterator[dict[str, Any]]:
    """The assistant's message, in the pieces it comes in."""

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


def filled(replica: Replica, asked: Chat) -> Row:
    """The row: the cells that `row` names, and each part of the last user message in the next
    column of its kind. Raises a Refusal of a part that has none."""
    last = next((i for i, m in reversed([*enumerate(asked.messages)]) if m.role == "user"), None)
    if last is None:
        raise no("messages", "none is the user's")
    content = valid(Asked, asked.messages[last].model_dump(), f"messages.{last}.").content
    row = dict(check(asked.row, replica.bundle))
    inputs = replica.bundle.config.inputs
    free = {
        kind: [name for name, spec in inputs.items() if spec.kind == kind and name not in row]
        for kind in ("text", "image", "audio")
    }
    for part in content:
        kind, cell = cell_of(part)
        if not free[kind]:
            takes = ", ".join(f"{name} ({spec.kind})" for name, spec in inputs.items())
            why = f"a part of kind {kind} that no column is left for: {replica.name} takes {takes}"
            cure = 'in this order; any column can be named instead: "row": {"COLUMN": value}'
            raise no("messages", f"{why}, {cure}", "parts")
        row[free[kind].pop(0)] = cell
    return row


def cell_of(part: Text | Picture | Audio) -> tuple[str, str]:
    """A part's kind of column, and its cell."""
    if isinstance(part, Text):
        return "text", part.text
    if isinstance(part, Audio):
        return "audio", part.input_audio.data
    if part.image_url.url[:5].lower() != "data:":
        why = "nothing that a request names is opened, so a URL won't do. Send the picture itself"
        raise no("image_url", f"{why}: data:image/png;base64,…", "url")
    return "image", part.image_url.url


class Shape(NamedTuple):
    """What the assistant's message is to hold."""

    replica: Replica
    targets: list[str]
    json: bool
    likely: int | None
    """Classes beside the chosen one whose probabilities are told; None: of none."""

    @classmethod
    def of(cls, replica: Replica, asked: Chat) -> "Shape":
        """Raises a Refusal of what the model can't answer."""
        specs = replica.bundle.config.targets
        targets = [name for name, spec in specs.items() if spec.kind != "match"]
        if not targets:
            raise no("model", f"{replica.name} answers with embeddings: POST /v1/embeddings")
        for name, spec in replica.bundle.config.texts.items():
            as_configured(asked, name, spec)
        form, as_json = asked.response_format, len(targets) > 1
        if form and form.type != "text":
            as_json = True
        if form and form.type == "json_schema":
            if form.json_schema is None:
                raise unfit("is needed for this type")
            targets = schema_targets(replica, targets, form.json_schema.schema_)
        likely = (asked.top_logprobs or 0) if asked.logprobs else None
        if asked.top_logprobs is not None and likely is None:
            raise no("top_logprobs", "needs logprobs: true")
        if likely is not None and (as_json or specs[targets[0]].kind != "category"):
            raise no("logprobs", "are those of one category that is answered as text")
        return cls(replica, targets, as_json, likely)

    @property
    def written(self) -> str:
        """The text that can be told piece by piece, if that is what is asked for."""
        texts = self.replica.bundle.config.texts
        return "" if self.json or self.targets[0] not in texts else self.targets[0]

    def text(self, answer: dict[str, Any]) -> str:
        """The content: of one target its value, else an object of them all."""
        said = {name: "" if answer[name] is None else answer[name] for name in self.targets}
        if self.json:
            return json.dumps(said, ensure_ascii=False)
        ((name, value),) = said.items()
        spec = self.replica.bundle.config.targets[name]
        if spec.kind == "labels":
            return spec.separator.join(value)
        return value if isinstance(value, str) else json.dumps(value)

    def logprobs(self, answer: dict[str, Any]) -> dict[str, Any] | None:
        """A class is one token."""
        if self.likely is None:
            return None
        (name,) = self.targets
        p = {c: answer[f"{name}.p.{c}"] for c in self.replica.bundle.values(name) or []}
        first = sorted(p, key=p.__getitem__, reverse=True)[: self.likely]
        top = [token(c, p[c]) for c in first]
        chosen = token(answer[name], p[answer[name]])
        return {"content": [{**chosen, "top_logprobs": top}], "refusal": None}


def as_configured(asked: Chat, name: str, spec: TextTarget) -> None:
    """Raises a Refusal where a text is to be written otherwise than its config says."""
    drawn = {"top_p": spec.top_p, "seed": spec.seed} if spec.temperature else {}
    own = {"temperature": spec.temperature, "presence_penalty": 0, "frequency_penalty": 0, **drawn}
    for field, value in own.items():
        if getattr(asked, field) not in (None, value):
            raise no(field, f"the model's config says {value:g} for {name}, and nothing else here")
    for field in ("max_tokens", "max_completion_tokens"):
        most = getattr(asked, field)
        if most is not None and not (isinstance(most, int) and most >= spec.max_tokens):
            raise no(field, f"{name} may have {spec.max_tokens} tokens, and is not cut short")


def token(name: str, p: float) -> dict[str, Any]:
    return {
        "token": name, "logprob": math.log(p) if p > 0 else LEAST, "bytes": list(name.encode()),
    }  # fmt: skip


def spent(replica: Replica, answers: dict[str, Any]) -> int:
    """Tokens of the answers: a class, a number or labels come at once, as one."""
    total = 0
    for name, value in answers.items():
        column = replica.bundle.columns[name]
        if isinstance(column, TextColumn):
            total += len(column.tokens(value))
        else:
            ids = column.decode(value) if column.storage.ragged else None
            total += 1 if ids is None else len(ids)
    return total


def counted(prompt: int, completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }  # fmt: skip


# ── JSON schemas ─────────────────────────────────────────────────────────────────────────────────

TYPES = {
    "category": "string", "number": "number", "labels": "array", "transcript": "string",
    "text": "string",
}  # fmt: skip
NOTES = {"title", "description", "default", "examples"}


def schema_targets(replica: Replica, targets: list[str], schema: dict[str, Any]) -> list[str]:
    """The targets that a schema asks for, all if it names none. Raises a Refusal if some answer of
    the model would not be valid by it."""
    words = {"type", "properties", "required", "additionalProperties", "$defs"}
    known(schema, words, "object", "the schema")
    parts, needed = schema.get("properties", {}), schema.get("required", [])
    defs = schema.get("$defs", {})
    if not (isinstance(parts, dict) and isinstance(needed, list) and isinstance(defs, dict)):
        raise unfit("properties and $defs are objects, required is a list")
    for name in [*parts, *needed]:
        if name not in targets:
            raise unfit(f"{str(name)[:100]!r} is no target; targets: {', '.join(targets)}")
    chosen = [name for name in targets if name in parts or name in needed] or targets
    if schema.get("additionalProperties", True) is not True and not set(chosen) <= set(parts):
        raise unfit("what is answered is to be among the properties")
    for name, part in parts.items():
        kind = replica.bundle.config.targets[name].kind
        classes = replica.bundle.values(name) if kind in ("category", "labels") else None
        promise(name, part, TYPES[kind], classes, defs)
    return chosen


def promise(name: str, part: Any, kind: str, classes: list[str] | None, defs: dict) -> None:
    """Raises a Refusal if not every answer is valid by a property; `classes` are all there are."""
    if isinstance(part, dict) and "$ref" in part:  # pydantic writes enums so
        named = str(part["$ref"])
        part = defs.get(named.removeprefix("#/$defs/"))
        if part is None:
            raise unfit(f"{named[:100]!r} leads nowhere")
    known(part, {"type", "items"} if kind == "array" else {"type", "enum"}, kind, name)
    if kind == "array":
        promise(name, part.get("items", {}), "string", classes, defs)
    elif "enum" in part:
        listed = part["enum"]
        if classes is None or not isinstance(listed, list):
            raise unfit(f"{name}: answers can't be listed")
        if missing := [one for one in classes if one not in listed]:
            raise unfit(f"{name}: its enum lacks {missing[0]!r}, which may be the answer")


def known(part: Any, words: set[str], kind: str, where: str) -> None:
    if not isinstance(part, dict):
        raise unfit(f"{where}: is no object")
    if strange := sorted(set(part) - NOTES - words):
        raise unfit(f"{where}: {strange[0][:100]!r} can't be promised")
    types = part.get("type", kind)
    if kind not in (types if isinstance(types, list) else [types]):
        raise unfit(f"{where}: its type is {kind}")


def unfit(why: str) -> Refusal:
    return no("response_format", f"json_schema: {why}", "json_schema")


# ── embeddings ───────────────────────────────────────────────────────────────────────────────────


async def embed(
    replica: Replica, asked: Embed, note: dict[str, Any], limits: Limits
) -> JSONResponse:
    matches = replica.bundle.config.matches
    if not matches:
        raise no("model", f"{replica.name} has no target of kind match to embed in")
    target, spec = next(iter(matches.items()))
    inputs = replica.bundle.config.inputs
    texts = [name for name in spec.columns if inputs[name].kind == "text"]
    column = asked.column or next(iter(texts), None)
    if column not in spec.columns:
        raise no("column", f"one of {', '.join(spec.columns)}")
    if asked.dimensions not in (None, spec.width):
        raise no("dimensions", f"{replica.name} has {spec.width}, no more and no fewer")
    note["rows"] = len(asked.input)
    if len(asked.input) > limits.rows:
        raise no("input", f"are more than {limits.rows} at once", "too_many_rows", 413)
    rows = await together(decoded(replica, {column: cell}) for cell in asked.input)
    wish = Wish(probabilities=False, embeddings=True)
    answers = await together(replica.submit(row, wish) for row in rows)
    found = []
    for i, answer in enumerate(answers):
        z = answer.get(f"{target}.embedding.{column}")
        if z is None:  # an empty cell of a picture or a sound
            raise no(f"input.{i}", "is empty", "bad_cell")
        if asked.encoding_format == "base64":
            z = base64.b64encode(np.asarray(z, "<f4").tobytes()).decode()
        found.append({"object": "embedding", "index": i, "embedding": z})
    tokens = sum(text_tokens(replica, row) for row in rows)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": found, "model": replica.name, "usage": usage})


# ── transcriptions ───────────────────────────────────────────────────────────────────────────────


class Cue(NamedTuple):
    """Some words that are said in one go: a segment, or a subtitle."""

    start: float
    end: float
    text: str


async def transcribe(replica: Replica, asked: Transcribe, note: dict[str, Any]) -> Response:
    target, spec = transcript(replica, asked.target)
    note["rows"] = 1
    row = await decoded(replica, {spec.of: asked.file})
    answer = await replica.submit(row, Wish(probabilities=False))
    text, times = answer[target] or "", answer.get(f"{target}.times")
    sound: Any = replica.bundle.config.inputs[spec.of]
    wave = row.cells[spec.of]
    seconds = 0.0 if wave is None else round(len(wave) / sound.rate, 3)
    usage = {"type": "duration", "seconds": seconds}
    form = asked.response_format
    if asked.stream.lower() == "true":
        if form not in ("json", "text"):
            raise no("response_format", f"a stream is json, not {form}")
        return events(told(text), end=False)
    if form == "text":
        return PlainTextResponse(text + "\n")
    if form == "json":
        return JSONResponse({"text": text, "usage": usage})
    if times is None:
        why = f"{replica.name} doesn't know when a word is said, so json and text are all"
        raise no("response_format", why)
    said = cues(text, times)
    if form != "verbose_json":
        return PlainTextResponse(subtitles(said, form))
    body = {
        "task": "transcribe", "language": None, "duration": seconds, "text": text, "usage": usage,
    }  # fmt: skip
    asked_for = asked.granularities or ["segment"]
    if "word" in asked_for:
        body["words"] = times
    if "segment" in asked_for:
        body["segments"] = [{"id": i, **cue._asdict()} for i, cue in enumerate(said)]
    return JSONResponse(body)


def transcript(replica: Replica, name: str | None) -> tuple[str, TranscriptTarget]:
    targets = replica.bundle.config.targets.items()
    there = {n: spec for n, spec in targets if isinstance(spec, TranscriptTarget)}
    if not there:
        raise no("model", f"{replica.name} has no target of kind transcript")
    if name is None and len(there) == 1:
        return next(iter(there.items()))
    if name not in there:
        raise no("target", f"one of {', '.join(there)}")
    return name, there[name]


async def told(text: str) -> AsyncIterator[dict[str, Any]]:
    yield {"type": "transcript.text.delta", "delta": text}
    yield {"type": "transcript.text.done", "text": text}


def cues(text: str, times: list[dict[str, Any]]) -> list[Cue]:
    """The text in parts, as it is written: Han characters have no spaces between them."""
    found: list[Cue] = []
    place = begin = 0
    for word in times:
        at = text.index(word["word"], place)
        place = at + len(word["word"])
        last = found[-1] if found else None
        if (
            last
            and word["start"] - last.end < PAUSE
            and word["end"] - last.start <= LONGEST
            and place - begin <= LETTERS
        ):
            found[-1] = Cue(last.start, word["end"], text[begin:place])
        else:
            begin = at
            found.append(Cue(word["start"], word["end"], text[begin:place]))
    return found


def subtitles(said: list[Cue], form: str) -> str:
    """SubRip or WebVTT (w3.org/TR/webvtt1)."""
    comma = "," if form == "srt" else "."
    blocks = [
        f"{clock(cue.start, comma)} --> {clock(cue.end, comma)}\n{cue.text}\n" for cue in said
    ]
    if form == "vtt":
        return "\n".join(["WEBVTT\n", *blocks])
    return "\n".join(f"{i}\n{block}" for i, block in enumerate(blocks, 1))


def clock(seconds: float, comma: str) -> str:
    whole, milli = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{comma}{milli:03}"
