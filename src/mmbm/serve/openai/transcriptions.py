"""Transcriptions of a file, with the times of words, as text, JSON or subtitles."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from starlette.responses import JSONResponse, PlainTextResponse, Response

from mmbm.kinds.transcript.spec import TranscriptTarget
from mmbm.serve.model_server import ModelServer, ResponseOptions
from mmbm.serve.openai.requests import Transcribe, no
from mmbm.serve.openai.responses import decoded, events

PAUSE, LONGEST, LETTERS = 0.8, 6.0, 80
"""A subtitle ends at a pause of so many seconds, and has at most so many seconds and letters."""


class Cue(NamedTuple):
    """Consecutive words without a pause: a segment, or a subtitle."""

    start: float
    end: float
    text: str


async def transcribe(replica: ModelServer, asked: Transcribe, note: dict[str, Any]) -> Response:
    target, spec = transcript(replica, asked.target)
    note["rows"] = 1
    row = await decoded(replica, {spec.input: asked.file})
    answer = await replica.submit(row, ResponseOptions(probabilities=False))
    text, times = answer[target] or "", answer.get(f"{target}.times")
    sound: Any = replica.bundle.config.inputs[spec.input]
    wave = row.cells[spec.input]
    seconds = 0.0 if wave is None else round(len(wave) / sound.sample_rate, 3)
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


def transcript(replica: ModelServer, name: str | None) -> tuple[str, TranscriptTarget]:
    targets = replica.bundle.config.targets.items()
    there = {n: spec for n, spec in targets if spec.transcribes}
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
    """The text in parts, as written: Han characters have no spaces between them."""
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
