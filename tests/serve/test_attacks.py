"""What somebody tries who means harm: each request is refused by a sentence, in little memory, and
the server answers others meanwhile."""

import contextlib
import io
import json
import socket
import time
from pathlib import Path

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import ATTACKS, HOST, Target, watch, white
from servers import Server, serving, until

from mmbm.serve.limits import Limits
from mmbm.serve.playground import gate

MEGABYTES, SILENCE = 1000, 3.0
"""Of memory, and seconds until a probe is answered, under each attack: with room for a machine that
does other things too. docs/security.md has what was measured."""


LONG = ("base64", "data URIs", "400 MB", "100 times", "5 MB")
"""Of the names of attacks that take seconds: others of their kind are in the fast tests."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=pytest.mark.slow if x.endswith(LONG) else ()) for x in ATTACKS],
)
def test_little_memory_and_time_is_spent_and_others_are_answered_meanwhile(server, name):
    target = Target(server.url, server.process.pid, "tiny", "photo", "remark")
    seen = watch(target, ATTACKS[name])
    assert seen.megabytes <= MEGABYTES
    assert seen.silence <= SILENCE
    assert set(seen.statuses) <= {0, 200, 400, 413, 422, 429, 431, 503}


# ── the playground ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def page(server):
    """A page's session: its events are those of the form."""
    pytest.importorskip("gradio")
    config = httpx.get(f"{server.url}/playground/config", timeout=60).json()
    media = {c["id"] for c in config["components"] if c["type"] in ("image", "audio")}
    return next(x for x in config["dependencies"] if media & set(x["inputs"])), media


def ask_page(server: Server, page, cell, session: str = "s") -> httpx.Response:
    event, media = page
    data: list = [None] * len(event["inputs"])
    data[next(i for i, one in enumerate(event["inputs"]) if one in media)] = cell
    body = {"data": data, "event_data": None, "fn_index": event["id"], "session_hash": session}
    return server.post("/playground/gradio_api/queue/join", body)


@pytest.mark.parametrize(
    "cell",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "/etc/passwd"},
        {"path": "/dev/zero", "meta": {"_type": "gradio.FileData"}},
        {"path": "http://localhost:1/x.png", "meta": {"_type": "gradio.FileData"}},
        {"path": "file:///etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": ["/etc/passwd"], "meta": {"_type": "gradio.FileData"}},
        {"path": "x", "url": "http://localhost:1/", "meta": {"_type": "gradio.FileData"}},
        [{"file": {"path": "/etc/passwd"}}],
    ],
)
def test_the_playground_reads_no_file_but_uploads(server, page, cell):
    said = ask_page(server, page, cell)
    assert said.status_code == 422
    assert "not uploaded here" in said.text
    assert "root:" not in said.text


def test_the_playgrounds_own_folder_gives_out_nothing_of_elsewhere(server, page, table):
    upload = {"files": (table.parent / "media/0.png").read_bytes()}
    answer = httpx.post(f"{server.url}/playground/gradio_api/upload", files=upload)
    (name,) = answer.json()
    files = "/playground/gradio_api/file="
    assert server.get(files + name).status_code == 200
    link = Path(name).with_name("link.png")
    link.symlink_to("/etc/passwd")
    folder = str(Path(name).parent)
    for other in (
        link,
        "/etc/passwd",
        f"{folder}/../../../etc/passwd",
        "http://localhost/",
        folder,
    ):
        assert server.get(files + str(other)).status_code == 404
        said = ask_page(server, page, {"path": str(other)})
        assert said.status_code == 422
    link.unlink()
    for route in ("run/answer", "api/predict", "call/answer", "component_server", "vibe-edit/"):
        said = server.post(f"/playground/gradio_api/{route}", {"data": []})
        assert said.status_code == 404
    for route in ("proxy=http://localhost/", "deep_link", "monitoring", "openapi.json"):
        assert server.get(f"/playground/gradio_api/{route}").status_code == 404


# ── other websites ───────────────────────────────────────────────────────────────────────────────

EVIL = {"origin": "https://evil.example"}


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:80", "origin": "http://evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "localhost@evil.example"},
        EVIL,
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"origin": "file://"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
@pytest.mark.parametrize("path", ["/models", "/predict", "/playground/config", "/v1/models"])
def test_pages_of_other_origins_and_other_names_are_refused(server, path, headers):
    method = "POST" if path == "/predict" else "GET"
    said = httpx.request(
        method, server.url + path, headers=headers, json={} if method == "POST" else None
    )
    assert said.status_code == 403
    assert not any(name.startswith("access-control") for name in said.headers)


def test_the_servers_own_pages_and_clients_that_are_no_browsers_are_answered(server):
    for headers in (
        {},
        {"origin": server.url},
        {"sec-fetch-site": "same-origin", "origin": server.url},
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},  # a link that is followed
    ):
        assert server.get("/models", headers=headers).status_code == 200
    assert server.get("/health/live", headers={"host": "any.name"}).status_code == 200


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_a_page_may_send_unasked_is_no_json(server, media):
    headers = {"content-type": media} if media else {}
    for path in ("/predict", "/v1/chat/completions"):
        said = httpx.post(server.url + path, content=b"{}", headers=headers)
        assert said.status_code == 415


def test_a_websocket_of_another_origin_is_refused(server):
    head = (
        b"GET /stream HTTP/1.1\r\n"
        + HOST
        + b"origin: https://evil.example\r\nupgrade: websocket\r\n"
        b"connection: upgrade\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(head)
        assert line.recv(65536).startswith(b"HTTP/1.1 403")


def test_a_websocket_that_is_refused_is_no_error_of_the_server(server):
    """Neither is one whose client hangs up before it is told."""
    head = (
        b"GET /stream HTTP/1.1\r\n" + HOST + b"upgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    host, port = server.url.removeprefix("http://").split(":")
    before = server.said.read_text()
    for hang_up in (False, True):
        with socket.create_connection((host, int(port)), timeout=20) as line:
            line.sendall(head)
            if not hang_up:
                assert line.recv(65536).startswith(b"HTTP/1.1 404")
    assert server.get("/health/live").status_code == 200
    assert server.said.read_text() == before


def test_names_and_origins_are_allowed_by_name(bundle_path, tmp_path):
    options = ["--allow-host", "mine.example", "--cors", "https://app.example"]
    with serving(tmp_path / "run", bundle_path, *options) as server:
        ask = lambda **headers: httpx.post(f"{server.url}/predict", json={}, headers=headers)  # noqa: E731
        assert ask(host="mine.example").status_code == 200
        assert ask(host="other.example").status_code == 403
        assert ask(origin="https://mine.example", host="mine.example").status_code == 200
        said = ask(origin="https://app.example")
        assert said.status_code == 200
        assert said.headers["access-control-allow-origin"] == "https://app.example"
        assert ask(origin="https://evil.example").status_code == 403
        preflight = {"access-control-request-method": "POST", "origin": "https://app.example"}
        allowed = httpx.options(f"{server.url}/predict", headers=preflight)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"


def test_a_server_that_others_reach_without_a_token_says_so(bundle_path, tmp_path):
    with serving(tmp_path / "open", bundle_path, "--host", "0.0.0.0") as server:
        assert "WARNING" in server.said.read_text()
        assert "--token-file" in server.said.read_text()


# ── half of something ────────────────────────────────────────────────────────────────────────────


def test_of_a_parquet_file_that_expands_too_far_no_row_is_made_up(server):
    file = io.BytesIO()
    cells = ["red", "x" * 40_000_000, "green"]
    pq.write_table(pa.table({"remark": cells}), file, compression="zstd")
    lines = httpx.post(f"{server.url}/predict/batch", content=file.getvalue(), timeout=60).text
    first, second, third = map(json.loads, lines.splitlines())
    assert first["error"] is third["error"] is None
    assert "more than 32000000 bytes" in second["error"]
    assert second["row"] == 2


def test_a_form_that_is_cut_off_is_not_answered_as_if_it_were_whole(server, table):
    photo = (table.parent / "media/0.png").read_bytes()
    request = httpx.Request("POST", server.url, files={"photo": photo, "remark": b"it looks red"})
    whole, media = request.read(), request.headers["content-type"]
    for cut in (len(whole) - 4, len(whole) - 60, len(whole) // 2, 70):
        said = httpx.post(
            f"{server.url}/predict", content=whole[:cut], headers={"content-type": media}
        )
        assert said.status_code == 400, cut
    assert (
        httpx.post(
            f"{server.url}/predict", content=whole, headers={"content-type": media}
        ).status_code
        == 200
    )


# ── places that are held ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def impatient(bundle_path, tmp_path_factory):
    """A server that waits for a second, and then wants a megabyte a second."""
    options = ["--deadline", 1, "--min-rate", 1_000_000, "--batch-deadline", 20]
    with serving(tmp_path_factory.mktemp("impatient"), bundle_path, *options) as server:
        yield server


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/v1/embeddings"])
def test_a_body_of_a_byte_now_and_then_is_not_waited_for(impatient, path):
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    host, port = impatient.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(f"{head}content-length: 100000\r\n\r\n{{".encode())
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            line.settimeout(0.2)
            received = b""
            while time.monotonic() - start < 10 and b"\r\n\r\n" not in received:
                line.sendall(b" ")
                with contextlib.suppress(TimeoutError):
                    received += line.recv(65536)
        assert received[9:12] in (b"408", b"503", b"200")
    assert time.monotonic() - start < 8


def test_a_client_that_goes_on_sending_after_it_was_refused_is_cut_off(impatient):
    """Its place is free, and its connection too."""
    host, port = impatient.url.removeprefix("http://").split(":")
    head = (
        "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        "transfer-encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(head.encode())
        start, closed = time.monotonic(), False
        while not closed and time.monotonic() - start < 15:
            try:
                line.sendall(b"1\r\n \r\n")
                line.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    closed = line.recv(65536) == b""
            except ConnectionError:
                closed = True
        assert closed


def test_a_client_that_trickles_on_after_its_body_was_too_large_is_cut_off(impatient):
    host, port = impatient.url.removeprefix("http://").split(":")
    head = (
        "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        "content-length: 900000000\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(head.encode())
        received = line.recv(65536)
        assert received.startswith(b"HTTP/1.1 413")
        assert b"connection: close" in received
        start, closed = time.monotonic(), False
        while not closed and time.monotonic() - start < 10:
            try:
                line.sendall(b" ")
                line.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    closed = line.recv(65536) == b""
            except ConnectionError:
                closed = True
        assert closed


def test_a_client_that_does_not_read_its_answers_is_cut_off(impatient):
    active = lambda: next(  # noqa: E731
        float(x.split()[1])
        for x in impatient.get("/metrics").text.splitlines()
        if x.startswith("mmbm_requests_active ")
    )
    host, port = impatient.url.removeprefix("http://").split(":")
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect((host, int(port)))
    rows = b"{}\n" * 100_000
    head = b"POST /predict/batch HTTP/1.1\r\n" + HOST + b"content-length: %d\r\n\r\n" % len(rows)
    line.settimeout(5)
    with contextlib.suppress(TimeoutError, ConnectionError):
        line.sendall(head + rows)
    until(lambda: active() == 1, 30)
    line.close()


def test_a_request_is_answered_before_its_work_is_over_and_the_work_ends_too(impatient):
    process = psutil.Process(impatient.process.pid)
    said = impatient.post("/predict", {"rows": [{"photo": white()}] * 200})
    assert said.status_code in (200, 503)
    before = process.cpu_times().user
    time.sleep(3)
    later = process.cpu_times().user
    time.sleep(1)
    assert process.cpu_times().user - later < 0.7 or later - before < 1


@pytest.mark.parametrize(
    "event",
    [
        {"data": [], "fn_index": 99, "session_hash": "s"},
        {"data": [], "fn_index": -1, "session_hash": "s"},
        {"data": [], "fn_index": 0, "session_hash": {}},
        {"data": [1] * 100, "fn_index": 0},
        {"data": []},
        {},
        [],
    ],
)
@pytest.mark.parametrize("route", ["queue/join", "run/predict"])
def test_an_event_that_no_page_has_is_refused(server, page, route, event):
    said = server.post(f"/playground/gradio_api/{route}", event)
    assert said.status_code == 422
    assert "no such event" in said.text


def test_a_session_that_gradio_does_not_know_is_told_so_and_is_no_error_of_the_server(server, page):
    before = server.said.read_text()
    said = server.get("/playground/gradio_api/queue/data?session_hash=unknown", timeout=60)
    assert said.status_code == 200
    assert '"session_not_found":true' in said.text
    assert server.get("/health/live").status_code == 200
    assert server.said.read_text() == before


def test_gradio_is_imported_at_the_first_visit_which_does_not_wait_for_it(bundle_path, tmp_path):
    """A server without visitors starts sooner and is smaller; a browser is told to come back."""
    pytest.importorskip("gradio")
    with serving(tmp_path / "run", bundle_path, playground=True) as server:
        page = {"headers": {"accept": "text/html,*/*"}, "timeout": 60}
        first = server.get("/playground/", **page)
        assert first.status_code == 503
        assert first.headers["retry-after"] == "1"
        assert 'http-equiv="refresh"' in first.text
        assert server.get("/playground/config", timeout=60).status_code == 200  # waits for it
        assert "gradio" in server.get("/playground/", **page).text


def test_the_playgrounds_folder_is_full_of_many_small_files_too(monkeypatch):
    monkeypatch.setattr(gate, "MOST_FILES", 3)
    folder = gate.Folder(Limits())
    for i in range(4):
        assert folder.full() == (i > 3)
        folder.write(f"{i}.txt", b"x")
    assert folder.full()
    folder.remove()
