"""Speech while it is spoken, over a real WebSocket of a real server."""

import asyncio
import gc
import json
import socket as sockets
import time

import numpy as np
import pytest
import spoken
from servers import serving, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import mmbm
from mmbm.errors import MmbmError
from mmbm.serve.limits import Limits, RequestError
from mmbm.serve.streaming import Session

TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    table = spoken.make(folder / "spoken", rows=256, longest=12)
    config = spoken.config(table, epochs=50)
    config["inputs"]["speech"]["windows"] = {"overlap": 0.4, "max_seconds": 8}
    return mmbm.train(config, run=folder / "run")


@pytest.fixture(scope="module")
def served(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "token").write_text(TOKEN)
    options = ["--token-file", folder / "token", "--max-streams", 3, "--deadline", 2]
    with serving(folder, bundle.path, *options) as server:
        yield server


@pytest.fixture(scope="module")
def client(served):
    with mmbm.Client(served.url, token=TOKEN) as client:
        yield client


def open_socket(served, token=TOKEN, path="/stream"):
    headers = {"authorization": f"Bearer {token}"}
    return connect("ws" + served.url[4:] + path, additional_headers=headers)


def metric(served, line: str) -> float:
    page = served.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    return sum(float(x.split()[-1]) for x in page.splitlines() if x.startswith(line))


def sound(letters: int, seed: int = 0, rate: int = spoken.RATE) -> np.ndarray:
    generator = np.random.default_rng(seed)
    text = " ".join("".join(generator.choice(list("abc "), letters)).split())
    wave = spoken.say(text, generator)
    if rate != spoken.RATE:
        import soxr

        wave = soxr.resample(wave, spoken.RATE, rate)
    return np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16)


def as_file(wave: np.ndarray, rate: int = spoken.RATE) -> bytes:
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, wave, rate, subtype="PCM_16", format="WAV")
    return file.getvalue()


def slowly(wave: np.ndarray):
    """As from a microphone, five times as fast."""
    for chunk in chunks(wave, 800):
        yield chunk
        time.sleep(0.02)


def chunks(wave: np.ndarray, size: int):
    return (wave[start : start + size] for start in range(0, len(wave), size))


@pytest.mark.parametrize("letters", [2, 6, 11, 14, 30, 90])
@pytest.mark.parametrize("size", [317, 1600, 1 << 20])
def test_the_last_answer_is_that_of_the_whole_recording(client, letters, size):
    wave = sound(letters)
    (expected,) = client.predict({"speech": as_file(wave)})
    *before, last = client.stream(chunks(wave, size), spoken.RATE, every=0.2)
    assert last["final"]
    assert not any(one["final"] for one in before)
    assert last["answer"]["words"] == expected["words"]
    assert last["answer"]["words.times"] == expected["words.times"]
    assert np.log(last["answer"]["words.confidence"]) == pytest.approx(
        np.log(expected["words.confidence"]), abs=1e-2
    )
    assert last["seconds"] == pytest.approx(len(wave) / spoken.RATE, abs=1e-3)


def test_what_is_said_comes_while_it_is_spoken_and_what_is_sure_stays(client):
    wave = sound(90)
    *before, last = client.stream(slowly(wave), spoken.RATE, every=0.2)
    assert len(before) > 10
    seconds = [one["seconds"] for one in before]
    assert seconds == sorted(seconds)
    assert before[0]["seconds"] < 0.5
    sure = ""
    for one in [*before, {"sure": {"words": last["answer"]["words"]}}]:
        assert one["sure"]["words"].startswith(sure)
        sure = one["sure"]["words"]
    assert len(before[-1]["sure"]["words"]) > len(sure) / 2
    for one in before:
        assert one["answer"]["words"].startswith(one["sure"]["words"])


def test_a_stream_at_another_rate_is_resampled_as_a_file_is(client):
    for rate in (16_000, 44_100):
        wave = sound(40, seed=3, rate=rate)
        (expected,) = client.predict({"speech": as_file(wave, rate)})
        *_, last = client.stream(chunks(wave, 1000), rate)
        assert last["answer"]["words"] == expected["words"]


def test_a_stream_without_sound_says_nothing(client):
    (last,) = client.stream([], spoken.RATE)
    assert last["answer"]["words"] is None
    assert last["answer"]["words.times"] == []


def test_several_clients_stream_at_once(client, served):
    waves = [sound(50, seed) for seed in (1, 2, 3)]
    streams = [client.stream(slowly(wave), spoken.RATE, every=0.1) for wave in waves]
    last = [None] * 3
    for _ in range(2):
        last = [next(one) for one in streams]  # all three are under way
    assert metric(served, "mmbm_streams_active ") == 3
    with pytest.raises(MmbmError, match="503, 3 clients stream already"):
        next(client.stream([], spoken.RATE))
    last = [list(one)[-1] for one in streams]
    for wave, one in zip(waves, last):
        (expected,) = client.predict({"speech": as_file(wave)})
        assert one["answer"]["words"] == expected["words"]
    until(lambda: metric(served, "mmbm_streams_active ") == 0)


def test_streams_are_counted_and_logged(client, served):
    wave = sound(20)
    before = metric(served, "mmbm_streamed_seconds_total")
    rows = metric(served, 'mmbm_cells_total{column="speech"')
    *_, last = client.stream(chunks(wave, 800), spoken.RATE, every=0.1)
    until(lambda: metric(served, "mmbm_streamed_seconds_total") > before)
    gained = metric(served, "mmbm_streamed_seconds_total") - before
    assert gained == pytest.approx(last["seconds"], abs=1e-3)
    assert metric(served, 'mmbm_cells_total{column="speech"') == rows + 1
    assert metric(served, 'mmbm_requests_total{method="WEBSOCKET",route="/stream",status="200"}')
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    logged = [one for one in lines if one["path"] == "/stream" and one["status"] == 200][-1]
    assert logged["id"] == last["id"]
    assert logged["seconds"] == pytest.approx(last["seconds"], abs=1e-3)


def test_a_stream_needs_the_token(served):
    with pytest.raises(InvalidStatus) as refused:
        open_socket(served, "another")
    assert refused.value.response.status_code == 401
    with pytest.raises(MmbmError, match="401, A bearer token is needed"):
        mmbm.Client(served.url, token="another")


def talk(socket, messages):
    """What the server said before it closed the stream, and how it closed it."""
    said = []
    try:
        for one in messages:
            raw = one if isinstance(one, bytes) or one == "nonsense" else json.dumps(one)
            socket.send(raw)
        while True:
            said.append(json.loads(socket.recv(timeout=10)))
    except ConnectionClosed as closed:
        return said, closed.rcvd


@pytest.mark.parametrize(
    ("messages", "code", "reason", "text"),
    [
        (["nonsense"], 1007, "json", "not JSON"),
        ([b"\0\0"], 1003, "message", 'The first message is JSON: {"rate": 16000}'),
        ([[]], 1007, "message", "an object"),
        ([{}], 1007, "parameter", "rate: a number from 100 to 1e+06, is needed"),
        ([{"rate": True}], 1007, "parameter", "rate"),
        ([{"rate": 8000.5}], 1007, "parameter", "whole"),
        ([{"rate": 8000, "speed": 2}], 1007, "parameter", "no option 'speed'"),
        ([{"rate": 8000, "every": 0}], 1007, "parameter", "every: a number from 0.1 to 60"),
        ([{"rate": 8000, "column": "x"}], 1007, "parameter", "no 'x'; sounds: speech"),
        ([{"rate": 8000, "cells": {"photo": "x"}}], 1007, "unknown_column", "'photo'"),
        ([{"rate": 8000, "cells": {"speech": "x"}}], 1007, "cells", "is what is streamed"),
        ([{"rate": 8000}, b"\0"], 1007, "samples", "1 bytes are no whole number"),
        ([{"rate": 8000}, {"stop": True}], 1003, "message", "After the first message"),
        ([{"rate": 100}, bytes(2 * 801)], 1009, "too_long", "longer than 8 s"),
        ([{"rate": 8000}, bytes((1 << 20) + 2)], 1009, None, None),
        ([], 1008, "slow_body", "Nothing came for 2 s"),
        ([{"rate": 8000}, bytes(800)], 1008, "slow_body", "Nothing came for 2 s"),
    ],
)
def test_what_cannot_be_heard_closes_with_the_reason(served, messages, code, reason, text):
    with open_socket(served) as socket:
        said, closed = talk(socket, messages)
        assert closed.code == code
        if reason:
            assert closed.reason == reason
            assert said[-1]["error"]["reason"] == reason
            assert text in said[-1]["error"]["message"]
    assert metric(served, "mmbm_rejected_total")


def test_clients_that_go_away_leave_nothing_behind(client, served):
    for _ in range(3):
        stream = client.stream(slowly(sound(90)), spoken.RATE, every=0.1)
        next(stream)
        stream.close()
    host, port = served.url.removeprefix("http://").split(":")
    line = sockets.create_connection((host, int(port)))
    line.sendall(
        b"GET /stream HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n\xff\xff\xff not a frame"
    )
    line.close()
    until(lambda: metric(served, "mmbm_streams_active ") == 0)
    *_, last = client.stream(chunks(sound(5), 800), spoken.RATE)
    assert last["final"]


def test_a_client_that_is_refused_and_hangs_up_is_no_error_of_the_server(served):
    """While a partial answer is computed: it can't be sent, and nobody is told of the refusal."""
    before, pcm = served.said.read_text(), sound(60).tobytes()
    for _ in range(10):
        with open_socket(served) as socket:
            socket.send(json.dumps({"rate": spoken.RATE, "every": 0.1}))
            socket.send(pcm)
            socket.send(json.dumps({"nothing": "of the kind"}))
            socket.socket.shutdown(sockets.SHUT_RDWR)
    until(lambda: metric(served, "mmbm_streams_active") == 0)
    for _ in range(20):  # for Python to look at what was left behind
        served.get("/health/live")
    assert served.said.read_text() == before


def test_what_was_refused_is_looked_at_although_nobody_can_be_told():
    """Of a task whose exception nobody looks at, asyncio prints a trace."""
    printed = []

    async def read() -> None:
        raise RequestError(415, "After the first message come samples.", reason="message")

    async def hang_up() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: printed.append(context))
        session = Session(None, None, Limits(), {})  # type: ignore[arg-type]
        reading = session.watched(read())
        await session.due.wait()
        assert reading.done()

    asyncio.run(hang_up())
    gc.collect()
    assert printed == []


def test_the_client_says_what_is_no_chunk(client):
    with pytest.raises(MmbmError, match="int16 samples of one channel"):
        list(client.stream([np.zeros(80)], spoken.RATE))


def test_a_model_without_transcripts_has_nothing_to_stream(server):
    with pytest.raises(InvalidStatus) as refused:
        connect("ws" + server.url[4:] + "/stream")
    assert refused.value.response.status_code == 404
    assert b"no transcript to stream" in refused.value.response.body


def test_a_stream_by_a_models_name(served, bundle):
    name = served.get("/models", headers={"authorization": f"Bearer {TOKEN}"}).json()[0]["model"]
    with mmbm.Client(served.url, model=name, token=TOKEN) as client:
        *_, last = client.stream([sound(5)], spoken.RATE)
    assert last["model"] == name
    assert last["version"] == bundle.version


def trickle(socket, message: bytes) -> None:
    for _ in range(300):
        socket.send(message)
        time.sleep(0.05)


@pytest.mark.parametrize("message", [b"", b"\0\0"])
def test_a_stream_of_next_to_nothing_does_not_hold_its_place(served, message):
    """Empty messages, or a sample now and then: the deadline is 2 s, then 1000 bytes a second."""
    start = time.monotonic()
    with open_socket(served) as socket:
        socket.send(json.dumps({"rate": spoken.RATE, "every": 60}))
        with pytest.raises(ConnectionClosed) as closed:
            trickle(socket, message)
    assert closed.value.rcvd.code == 1008
    assert time.monotonic() - start < 6
