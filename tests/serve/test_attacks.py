"""What somebody tries who means harm: each request is refused by a sentence, in little memory, and
the server answers others meanwhile."""

import base64
import contextlib
import io
import json
import socket
import threading
import time
from pathlib import Path

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from serve.conftest import Server, serving, until

HOST = b"host: localhost\r\n"
MEGABYTES = 1000
"""Of memory, at most, under each attack."""
SILENCE = 1.0
"""Seconds, at most, until a probe is answered meanwhile."""


@contextlib.contextmanager
def watched(server: Server):
    """Probes of /health/live and the memory of the server and its children, while something is
    done to it; asserts on both."""
    silence, memory, stop = [0.0], [0], threading.Event()
    process = psutil.Process(server.process.pid)

    def probe() -> None:
        while not stop.is_set():
            start = time.monotonic()
            httpx.get(f"{server.url}/health/live", timeout=60)
            silence.append(time.monotonic() - start)
            family = [process, *process.children(recursive=True)]
            with contextlib.suppress(psutil.NoSuchProcess):
                memory.append(sum(one.memory_info().rss for one in family) >> 20)
            time.sleep(0.03)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert max(silence) <= SILENCE
    assert max(memory) <= MEGABYTES


def send(server: Server, raw: bytes, wait: float = 20) -> bytes:
    """What comes back for these bytes, until the server closes or says nothing any more."""
    host, port = server.url.removeprefix("http://").split(":")
    received = b""
    with (
        socket.create_connection((host, int(port)), timeout=wait) as line,
        contextlib.suppress(ConnectionError, TimeoutError),
    ):
        line.sendall(raw)
        while b"\r\n\r\n" not in received and (part := line.recv(65536)):
            received += part
    return received


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
    assert send(server, head).startswith(b"HTTP/1.1 403")


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


# ── memory and time ──────────────────────────────────────────────────────────────────────────────


def white(side: int = 5000) -> str:
    """A PNG of 25 megapixels in 3 kB, as base64."""
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("form", ["plain", "object", "data URI"])
def test_large_pictures_in_small_files_leave_the_event_loop_alone(server, form):
    cell = {"plain": white(), "object": {"bytes": white()}}.get(
        form, f"data:image/png;base64,{white()}"
    )
    with watched(server):
        said = server.post("/predict", {"rows": [{"photo": cell}] * 64})
    assert said.status_code in (200, 503)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", '{"model": "tiny", "input": [%s0]}'),
        ("/v1/chat/completions", '{"model": "tiny", "messages": [%s0]}'),
        ("/predict", '{"place": [%s0]}'),
        ("/predict", '{"rows": [%s0]}'),
    ],
)
@pytest.mark.parametrize("values", [3_000_000, 900_000])
def test_millions_of_values_are_refused_before_they_are_checked(server, path, body, values):
    content = (body % ("0," * values)).encode()
    with watched(server):
        said = httpx.post(
            server.url + path,
            content=content,
            headers={"content-type": "application/json"},
            timeout=60,
        )
    assert said.status_code in (400, 413, 422)


def parquet(columns: dict, **options) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression="zstd", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "bomb",
    [
        lambda: parquet({"remark": pa.array(["x" * 30_000_000] * 100).dictionary_encode()}),
        lambda: parquet({"remark": ["x" * 400_000_000]}),
        lambda: parquet({"remark": ["x" * 5_000_000] * 200}, use_dictionary=False),
        lambda: parquet({"tags": [["a"] * 20_000_000]}),
    ],
    ids=["a repeated value", "a huge value", "many large values", "a long list"],
)
def test_a_parquet_file_that_expands_to_gigabytes_is_read_in_little_memory(server, bomb):
    content = bomb()
    assert len(content) < 200_000
    with watched(server):
        said = httpx.post(f"{server.url}/predict/batch", content=content, timeout=120)
    assert said.status_code in (200, 400)
    for line in said.text.splitlines():
        assert "error" in json.loads(line)


def test_a_long_line_that_comes_in_small_pieces_costs_no_more_than_its_length(server):
    with watched(server):
        start = time.monotonic()
        said = httpx.post(f"{server.url}/predict/batch", content=b"x" * 31_000_000, timeout=60)
        assert "not JSON" in said.text
        small = time.monotonic() - start
        start = time.monotonic()
        for _ in range(4):
            httpx.post(f"{server.url}/predict/batch", content=b"x" * 7_700_000, timeout=60)
        assert small < 5 * (time.monotonic() - start) + 1


@pytest.mark.parametrize("head", ["header", "path", "trailer"])
def test_a_head_has_a_largest_size_before_anything_else_is_looked_at(server, head):
    start = {
        "header": b"GET /models HTTP/1.1\r\n" + HOST + b"x-a: ",
        "path": b"GET /",
        "trailer": b"POST /predict HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-a: ",
    }[head]
    with watched(server):
        said = send(server, start + b"a" * 20_000_000)
    assert said[9:12] in (b"431", b"200", b"")  # or the connection was cut


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
