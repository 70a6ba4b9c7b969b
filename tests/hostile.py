"""Requests of somebody who means harm, each a few bytes that stand for much memory, time or places;
and what a server's memory and its answers to others do meanwhile. For a test and for bench/."""

import base64
import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HOST = b"host: localhost\r\n"
JSON = {"content-type": "application/json"}


Attack = Callable[[], list[int]]
"""Once all is made that it sends: carries it out, and gives the statuses of what is answered."""


class Target(NamedTuple):
    """A server and the columns of its first model."""

    url: str
    pid: int
    model: str
    image: str
    text: str

    def sends(self, path: str, content: bytes) -> Attack:
        url = self.url + path
        return lambda: [httpx.post(url, content=content, headers=JSON, timeout=120).status_code]

    def connect(self) -> socket.socket:
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=20)


class Seen(NamedTuple):
    megabytes: int  # at most, of the server and its children together
    silence: float  # seconds, at most, until /health/live was answered
    statuses: list[int]  # of the attack's requests; 0 where the connection was cut


def watch(target: Target, attack: Callable[[Target], Attack]) -> Seen:
    """Carry an attack out, and ask for the server's health all the while."""
    go = attack(target)
    silence, memory, stop = [0.0], [0], threading.Event()
    process = psutil.Process(target.pid)

    def probe() -> None:
        while not stop.is_set():
            start = time.monotonic()
            httpx.get(f"{target.url}/health/live", timeout=60)
            silence.append(time.monotonic() - start)
            with contextlib.suppress(psutil.NoSuchProcess):
                family = [process, *process.children(recursive=True)]
                memory.append(sum(one.memory_info().rss for one in family) >> 20)
            time.sleep(0.02)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        statuses = go()
    finally:
        stop.set()
        thread.join()
    return Seen(max(memory), max(silence), statuses)


def white(side: int = 5000) -> str:
    """A PNG of 25 megapixels in 3 kB, as base64."""
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def images(wrap: Callable[[str], object]) -> Callable[[Target], Attack]:
    def attack(target: Target) -> Attack:
        rows = {"rows": [{target.image: wrap(white())}] * 64}
        return target.sends("/predict", json.dumps(rows).encode())

    return attack


def values(path: str, body: str, count: int) -> Callable[[Target], Attack]:
    def attack(target: Target) -> Attack:
        text = body.replace("MODEL", target.model).replace("TEXT", target.text)
        return target.sends(path, (text % ("0," * count)).encode())

    return attack


def parquet(column: Callable[[], object], **options) -> Callable[[Target], Attack]:
    def attack(target: Target) -> Attack:
        file = io.BytesIO()
        pq.write_table(pa.table({target.text: column()}), file, compression="zstd", **options)
        assert len(file.getvalue()) < 200_000
        return target.sends("/predict/batch", file.getvalue())

    return attack


def repeated(value: str, times: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), [value])


def head(start: bytes, sockets: int = 4) -> Callable[[Target], Attack]:
    """A head that never ends, on some connections at once."""

    def one(target: Target, found: list[int]) -> None:
        received = b""
        with target.connect() as line, contextlib.suppress(ConnectionError, TimeoutError):
            line.sendall(start)
            for _ in range(40):
                line.sendall(b"a" * 1_000_000)
            received = line.recv(65536)
        found.append(int(received[9:12] or b"0"))

    def attack(target: Target) -> Attack:
        def go() -> list[int]:
            found: list[int] = []
            threads = [threading.Thread(target=one, args=(target, found)) for _ in range(sockets)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return found

        return go

    return attack


def long_line(target: Target) -> Attack:
    return target.sends("/predict/batch", b"x" * 31_000_000)


def nested(target: Target) -> Attack:
    return target.sends("/predict", b"[" * 30_000_000)


def many_columns(target: Target) -> Attack:
    row = ",".join(f'"c{i}":0' for i in range(300_000))
    return target.sends("/predict", f"{{{row}}}".encode())


def long_cells(target: Target) -> Attack:
    rows = {"rows": [{target.text: "word, " * 20_000}] * 200}
    return target.sends("/predict", json.dumps(rows).encode())


EMBED = '{"model":"MODEL","input":[%s0]}'
POST = b"POST /predict HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"
ATTACKS: dict[str, Callable[[Target], Attack]] = {
    "64 images of 25 megapixels, base64": images(lambda data: data),
    '64 images of 25 megapixels, {"bytes"}': images(lambda data: {"bytes": data}),
    "64 images of 25 megapixels, data URIs": images(lambda data: f"data:image/png;base64,{data}"),
    "3,000,000 zeros to embed": values("/v1/embeddings", EMBED, 3_000_000),
    "900,000 zeros to embed": values("/v1/embeddings", EMBED, 900_000),
    "900,000 messages of a talk": values(
        "/v1/chat/completions", '{"model":"MODEL","messages":[%s0]}', 900_000
    ),
    "900,000 rows": values("/predict", '{"rows":[%s0]}', 900_000),
    "900,000 values of a cell": values("/predict", '{"TEXT":[%s0]}', 900_000),
    "30,000,000 brackets": nested,
    "300,000 columns": many_columns,
    "200 texts of 120 kB": long_cells,
    "a line of 31 MB": long_line,
    "Parquet: a value of 30 MB, 100 times": parquet(lambda: repeated("x" * 30_000_000, 100)),
    "Parquet: a value of 400 MB": parquet(lambda: repeated("x" * 400_000_000, 1)),
    "Parquet: 200 values of 5 MB": parquet(
        lambda: repeated("x" * 5_000_000, 200).dictionary_decode(), use_dictionary=False
    ),
    "Parquet: a list of 20,000,000": parquet(
        lambda: pa.ListArray.from_arrays([0, 20_000_000], pa.repeat("a", 20_000_000))
    ),
    "heads of 40 MB": head(b"GET /models HTTP/1.1\r\n" + HOST + b"x-a: "),
    "paths of 40 MB": head(b"GET /"),
    "trailers of 40 MB": head(
        POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-a: "
    ),
}  # fmt: skip
"""By what is sent."""
