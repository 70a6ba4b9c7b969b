"""Clients that send nonsense, stop half-way, go away or crawl: the service goes on."""

import base64
import json
import socket
import time
from collections import Counter

import damaged
import httpx
import pytest
from servers import Server, fuzz, serving, until

from mmbm.serve import process

JSON = {"content-type": "application/json"}
HEAD = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
BATCH_HEAD = HEAD.replace(b"/predict", b"/predict/batch")


def connect(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def still_answers(server: Server) -> None:
    assert server.post("/predict", {"remark": "it looks red"}).status_code == 200


def active(server: Server) -> float:
    """Requests under way, this one not counted."""
    lines = server.get("/metrics").text.splitlines()
    return next(float(x.split()[1]) for x in lines if x.startswith("mmbm_requests_active ")) - 1


def test_every_damaged_cell_is_answered_or_refused(server, tmp_path):
    statuses: Counter[int] = Counter()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for name, raw in damaged.contents(tmp_path).items():
            for column in ("photo", "speech", "remark", "speed", "place"):
                if isinstance(raw, bytes):
                    sent = (
                        {"files": {column: raw}},
                        {"json": {column: base64.b64encode(raw).decode()}},
                    )
                else:
                    content = json.dumps({column: raw}, default=str).encode()
                    sent = ({"content": content, "headers": JSON},)
                for one in sent:
                    answer = client.post("/predict", **one)
                    statuses[answer.status_code] += 1
                    assert answer.status_code in (200, 400, 413, 422), (name, column, answer.text)
    assert statuses[200]
    assert statuses[422]
    still_answers(server)


def test_half_sent_uploads_and_clients_that_go_away_leave_nothing_behind(server):
    until(lambda: active(server) == 0)
    lines = [connect(server) for _ in range(20)]
    for line in lines[:10]:
        line.sendall(HEAD + b"content-length: 1000\r\n\r\n{")
    for line in lines[10:]:
        line.sendall(BATCH_HEAD + b"content-length: 999\r\n\r\n{}\n")
    until(lambda: active(server) == 20)
    still_answers(server)
    for line in lines:
        line.close()
    until(lambda: active(server) == 0)
    still_answers(server)


@pytest.mark.slow
def test_a_crowd_of_clients_that_never_end_their_heads_is_sent_away(bundle_path, tmp_path):
    with serving(tmp_path / "run", bundle_path) as server:
        lines = [connect(server) for _ in range(300)]
        for line in lines:
            line.sendall(HEAD + b"x-slow: ")
        still_answers(server)
        end = time.monotonic() + process.HEAD + 5
        while lines and time.monotonic() < end:
            for line in lines:
                try:
                    line.sendall(b"z")  # a byte now and then doesn't help
                except OSError:
                    line.close()
            lines = [line for line in lines if line.fileno() >= 0]
            time.sleep(0.5)
        assert not lines
        still_answers(server)


@pytest.mark.slow
def test_a_fuzzer_that_knows_the_schema_finds_no_answer_that_breaks_it(server):
    """Schemathesis (schemathesis.io): valid and invalid requests, and what comes back."""
    statuses = fuzz(server, "--exclude-path-regex", "batch$", "-n", "600")
    assert len(statuses) > 1000
    assert max(statuses) < 500
    still_answers(server)
