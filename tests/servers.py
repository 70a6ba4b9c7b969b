"""A real server in a process of its own, on a free port, stopped at the end."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx


class Server(NamedTuple):
    url: str
    process: subprocess.Popen
    log: Path  # stdout: a JSON line for each request
    said: Path  # stderr

    def get(self, path: str, **options) -> httpx.Response:
        return httpx.get(self.url + path, **options)

    def post(self, path: str, body=None, **options) -> httpx.Response:
        if body is not None:
            options["json"] = body
        return httpx.post(self.url + path, timeout=60, **options)


@contextlib.contextmanager
def serving(
    folder: Path, *arguments, wait: bool = True, playground: bool = False
) -> Iterator[Server]:
    """Gradio takes seconds to import, so only those have the playground who ask for it."""
    if not playground:
        arguments = (*arguments, "--no-playground")
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mmbm.cli", "serve", *map(str, arguments), "--port", "0"]
    log, said = folder / "log.jsonl", folder / "stderr.txt"
    with log.open("w") as out, said.open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
    try:
        url = address(process, said)
        if wait:
            until(lambda: ready(url))
        yield Server(url, process, log, said)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def address(process: subprocess.Popen, said: Path) -> str:
    def found():
        assert process.poll() is None, said.read_text()
        return re.search(r"at (http://\S+)/predict", said.read_text())

    return until(found)[1]


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def until(condition, seconds: float = 30):
    """What `condition` gives, once it is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return value


def fuzz(server: Server, *arguments: str) -> list[int]:
    """Schemathesis on the server's own schema; the statuses of its requests."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json",
        "-c", "not_a_server_error,status_code_conformance,content_type_conformance",
        "-c", "response_schema_conformance,unsupported_method",
        "--seed", "1", "--suppress-health-check", "all", "--warnings", "off",
        "--phases", "examples,coverage,fuzzing", "--no-color", *arguments,
    ]  # fmt: skip
    before = len(server.log.read_text().splitlines())
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-5000:]
    return [json.loads(x)["status"] for x in server.log.read_text().splitlines()[before:]]
