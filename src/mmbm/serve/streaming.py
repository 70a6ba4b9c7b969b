"""Streaming speech recognition over a WebSocket: audio samples in, partial transcripts out.

    client                                   server
    {"rate": 16000}                    ──►
    PCM, 16 bit, mono, any pieces      ──►
                                       ◄──   {"seconds": 1.5, "final": false, "answer": {…}, …}
    {"end": true}                      ──►
                                       ◄──   {"seconds": 4.2, "final": true, "answer": {…}, …}

A bidirectional encoder can only answer as if the audio ended here. So a partial answer is that: the
newest window is encoded again until it is full. A full window is encoded a last time and is then
final (`inference/long_audio.py`), so the last answer equals that of /predict for the whole
recording.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import soxr
from starlette.websockets import WebSocket, WebSocketDisconnect

from mmbm.inference.long_audio import Cut, Windows
from mmbm.inference.predict import Decoded, as_columns
from mmbm.kinds.audio.column import RATES
from mmbm.kinds.transcript.answer import TranscriptAnswer
from mmbm.serve import body
from mmbm.serve.body import check
from mmbm.serve.limits import Limits, RequestError
from mmbm.serve.metrics import Metrics
from mmbm.serve.middleware import refuse
from mmbm.serve.model_server import ModelServer

EVERY = (0.1, 0.5, 60.0)
"""Seconds of audio between two partial answers: minimum, default, maximum."""
TOGETHER = 1000
"""Messages whose samples are joined even if nothing is decoded yet: each has an overhead."""
CODES = {400: 1007, 401: 1008, 408: 1008, 413: 1009, 415: 1003, 422: 1007, 429: 1013, 503: 1013}
"""WebSocket close codes (RFC 6455, 7.4.1), by the status that a request would get."""


class StreamingSession:
    """The audio of one stream, and its transcript so far."""

    def __init__(self, replica: ModelServer, column: str, rate: int):
        spec: Any = replica.bundle.config.inputs[column]
        self.replica, self.column, self.rate = replica, column, rate
        self.windows = Windows.of(spec)
        bounded: Any = replica.bundle.columns[column]
        self.most = min(bounded.spec.seconds, bounded.spec.max_seconds or bounded.spec.seconds)
        self.hearings = {name: answer.hearing() for name, answer in heard(replica, column).items()}
        self.resampler = None
        if rate != spec.sample_rate:
            self.resampler = soxr.ResampleStream(rate, spec.sample_rate, 1, "float32", quality="HQ")
        self.given = 0  # samples, at the client's rate
        self._wave = np.empty(0, np.int16)  # samples that a window may still need, at its rate
        self._new: list[np.ndarray] = []  # those received since, message by message
        self.gone = 0  # samples before them
        self.number = 0  # final windows

    @property
    def seconds(self) -> float:
        return self.given / self.rate

    @property
    def wave(self) -> np.ndarray:
        """Joined when decoded: joining at each message would copy all of it each time."""
        if self._new:
            self._wave, self._new = np.concatenate([self._wave, *self._new]), []
        return self._wave

    def add(self, pcm: bytes, last: bool = False) -> None:
        """More samples. Raises a RequestError for half a sample, and beyond the longest
        recording."""
        if len(pcm) % 2:
            raise RequestError(
                422, f"{len(pcm)} bytes are no whole number of 16-bit samples.", reason="samples"
            )
        wave = np.frombuffer(pcm, "<i2")
        self.given += len(wave)
        if self.seconds > self.most:
            raise RequestError(
                413, f"The sound is longer than {self.most:g} s, the longest for this model.",
                reason="too_long", column=self.column,
            )  # fmt: skip
        if self.resampler:
            loud = self.resampler.resample_chunk(wave.astype(np.float32) / 32768, last)
            wave = np.rint(np.clip(loud * np.float32(32768), -32768, 32767)).astype(np.int16)
        self._new.append(wave)
        if len(self._new) >= TOGETHER:
            self._new = [np.concatenate(self._new)]

    async def advance(self) -> None:
        """Decode every window that is full by now."""
        while self.number < self.windows.whole(self.gone + len(self.wave)):
            cut = self.windows.regular(self.number)
            await self._hear(cut)
            self.number += 1
            rest = self.gone + len(self.wave) - self.windows.size  # where a last one would begin
            needed = min(self.windows.regular(self.number).start, rest)
            self._wave = self.wave[max(0, needed - self.gone) :]
            self.gone = max(self.gone, needed)

    async def so_far(self) -> dict[str, dict[str, str]]:
        """The transcript if the audio ends here, and its final prefix."""
        cut = self._last()
        found = await self.replica.hear(self.column, self._piece(cut), patient=False)
        places = {name: p[cut.first :] for name, p in found.items()}
        return {
            "answer": {name: one.after(places[name]) for name, one in self.hearings.items()},
            "sure": {name: one.sure() for name, one in self.hearings.items()},
        }

    async def finish(self, others: Decoded) -> dict[str, Any]:
        """The row's answer, with its other cells, as from /predict."""
        self.add(b"", last=True)
        await self.advance()
        whole = self.wave if not self.number and len(self.wave) else None
        row = Decoded({**others.cells, self.column: whole}, None)
        answer = await self.replica.submit(row, patient=True)
        if self.number:
            await self._hear(self._last())
            for name, hearing in self.hearings.items():
                answer |= as_columns(name, hearing.finish())
        return answer

    async def _hear(self, cut: Cut) -> None:
        found = await self.replica.hear(self.column, self._piece(cut), patient=True)
        for name, hearing in self.hearings.items():
            hearing.feed(found[name][cut.first : cut.last])

    def _last(self) -> Cut:
        return self.windows.final(self.number, self.gone + len(self.wave))

    def _piece(self, cut: Cut) -> np.ndarray:
        return self.wave[cut.start - self.gone : cut.end - self.gone]


class Session:
    """One client from its first message to the last answer."""

    def __init__(
        self, socket: WebSocket, replica: ModelServer, limits: Limits, head: dict[str, Any]
    ):
        self.socket, self.replica, self.limits, self.head = socket, replica, limits, head
        self.due = asyncio.Event()  # enough arrived for another answer, or all
        self.start, self.size = time.monotonic(), 0  # bytes of audio received

    async def run(self) -> float:
        """Seconds of audio. Raises a RequestError, or WebSocketDisconnect when the client
        disconnects."""
        listener, others, every = await self.begin()
        reading = self.watched(self.read(listener, every))
        try:
            while True:
                await self.due.wait()
                self.due.clear()
                if reading.done():
                    break
                await self.tell_so_far(listener)
            reading.result()
            async with asyncio.timeout(self.limits.deadline):
                answer = await listener.finish(others)
        except TimeoutError:
            raise RequestError(
                503, f"No answer within {self.limits.deadline:g} s.", reason="deadline"
            ) from None
        finally:
            reading.cancel()
        await self.send({**self.head, **told(listener, True), "answer": answer})
        return listener.seconds

    def watched(self, reading: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Reading as a task. Its exception is retrieved even if the client disconnects before it is
        sent: else asyncio prints a traceback."""

        def over(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                task.exception()
            self.due.set()

        task = asyncio.create_task(reading)
        task.add_done_callback(over)
        return task

    async def begin(self) -> tuple[StreamingSession, Decoded, float]:
        """The first message: {"rate"} and optionally "column", "cells" and "every"."""
        wish = parse((await self.receive()).get("text"))
        unknown = sorted(set(wish) - {"rate", "column", "cells", "every"})
        if unknown:
            raise RequestError(
                422, f"There is no option {unknown[0][:40]!r}: rate, column, cells, every are all.",
                reason="parameter",
            )  # fmt: skip
        rate = number("rate", wish.get("rate"), RATES)
        if rate != int(rate):
            raise RequestError(422, "rate: a whole number of samples a second.", reason="parameter")
        every = number("every", wish.get("every", EVERY[1]), (EVERY[0], EVERY[2]))
        column = choose(self.replica, wish.get("column"))
        cells = check(wish.get("cells", {}), self.replica.bundle)
        if column in cells:
            raise RequestError(
                422, f"{column!r} is what is streamed.", column=column, reason="cells"
            )
        others = await self.replica.decode(cells)
        if others.error is not None:
            raise RequestError(422, f"{others.error}.", column=others.column, reason="bad_cell")
        return StreamingSession(self.replica, column, int(rate)), others, every

    async def read(self, listener: StreamingSession, every: float) -> None:
        """Samples until the client signals the end."""
        answered = 0.0
        while True:
            message = await self.receive()
            if (pcm := message.get("bytes")) is None:
                if parse(message.get("text")) == {"end": True}:
                    return
                raise RequestError(
                    415, 'After the first message come samples, then {"end": true}.',
                    reason="message",
                )  # fmt: skip
            listener.add(pcm)
            self.size += len(pcm)
            if time.monotonic() - self.start > self.limits.deadline + self.size / self.limits.rate:
                raise RequestError(
                    408, f"Fewer than {self.limits.rate:g} bytes of sound come a second.",
                    reason="slow_body",
                )  # fmt: skip
            if listener.seconds - answered >= every:
                answered = listener.seconds
                self.due.set()

    async def tell_so_far(self, listener: StreamingSession) -> None:
        await listener.advance()
        try:
            found = await listener.so_far()
        except RequestError:  # the model is busy: the next partial answer includes this one
            return
        await self.send({**told(listener, False), **found})

    async def receive(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.limits.deadline):
                message = await self.socket.receive()
        except TimeoutError:
            seconds = self.limits.deadline
            raise RequestError(
                408, f"Nothing came for {seconds:g} s.", reason="slow_body"
            ) from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return dict(message)

    async def send(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(self.limits.deadline):
            await self.socket.send_text(json.dumps(message, ensure_ascii=False))


def endpoint(
    replicas: dict[str, ModelServer], name: str, prefix: str, limits: Limits, metrics: Metrics
):
    """The WebSocket of one model."""

    async def stream(socket: WebSocket) -> None:
        replica, note = replicas[name], socket.scope["mmbm"]
        note |= {"route": f"{prefix}/stream", "model": name}
        if not sounds(replica):
            refusal = RequestError(
                404, f"{name} has no transcript to stream.", reason="no_transcript"
            )
            await refuse(refusal, socket.scope)(socket.scope, socket.receive, socket.send)
            return
        await socket.accept()
        head = {"id": note["id"], "model": name, "version": replica.bundle.version}
        metrics.streams.inc()
        try:
            note["seconds"] = await Session(socket, replica, limits, head).run()
            note["status"] = 200
            metrics.streamed.labels(name).inc(note["seconds"])
            await socket.close(1000)
        except RequestError as refusal:
            note["status"] = refusal.status
            metrics.rejected.labels(refusal.reason).inc()
            with contextlib.suppress(WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(limits.deadline):
                    await socket.send_text(json.dumps({**refusal.body(), "id": note["id"]}))
                    await socket.close(CODES[refusal.status], refusal.reason)
        except WebSocketDisconnect:
            note["status"] = 499
        finally:
            metrics.streams.dec()

    return stream


def told(listener: StreamingSession, final: bool) -> dict[str, Any]:
    return {"seconds": round(listener.seconds, 3), "final": final}


def heard(replica: ModelServer, column: str) -> dict[str, TranscriptAnswer]:
    """The transcripts of an audio input."""
    return {
        name: answer
        for name, answer in replica.answers.items()
        if isinstance(answer, TranscriptAnswer) and answer.spec.input == column
    }


def sounds(replica: ModelServer) -> list[str]:
    """The audio inputs that transcripts read."""
    inputs = replica.bundle.config.inputs.items()
    return [n for n, spec in inputs if heard(replica, n)]


def choose(replica: ModelServer, column: Any) -> str:
    there = sounds(replica)
    if column is None and len(there) == 1:
        return there[0]
    if column not in there:
        asked = "name one" if column is None else f"there is no {str(column)[:40]!r}"
        raise RequestError(422, f"column: {asked}; sounds: {', '.join(there)}.", reason="parameter")
    return column


def parse(text: str | None) -> dict[str, Any]:
    if text is None:
        raise RequestError(415, 'The first message is JSON: {"rate": 16000}.', reason="message")
    found = body.parse(text.encode(errors="surrogatepass"))
    if not isinstance(found, dict):
        raise RequestError(
            422, f"A message is an object, not {str(found)[:40]!r}.", reason="message"
        )
    return found


def number(name: str, value: Any, bounds: tuple[float, float]) -> float:
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        said = "is needed" if value is None else f"not {str(value)[:40]}"
        raise RequestError(
            422, f"{name}: a number from {low:g} to {high:g}, {said}.", reason="parameter"
        )
    return value
