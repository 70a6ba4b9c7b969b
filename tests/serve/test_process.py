"""Starting, limits, several models and processes, reloading, draining: on real processes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
from servers import serving, until

import mmbm


@pytest.fixture(scope="module")
def guarded(bundle_path, tmp_path_factory):
    """Small limits and a token."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text("a-long-secret-token\n")
    small = ["--max-megabytes", 0.1, "--max-rows", 3, "--max-seconds", 0.2, "--max-pixels", 200]
    with serving(folder / "run", bundle_path, "--token-file", folder / "token", *small) as running:
        yield running


JSON = {"content-type": "application/json"}
HEAD = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
TOKEN = {"authorization": "Bearer a-long-secret-token"}


def test_only_probes_are_answered_without_the_token(guarded):
    for path in ("/models", "/metrics", "/openapi.json", "/nowhere"):
        refused = guarded.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert guarded.get(path, headers=TOKEN).status_code in (200, 404)
    assert guarded.get("/health/live").status_code == 200
    assert guarded.get("/health/ready").status_code == 200
    assert mmbm.Client(guarded.url, token="a-long-secret-token").predict({})[0]["label"]


def test_what_is_too_large_is_refused_by_name(guarded, table, tmp_path):
    import numpy as np
    import soundfile
    from PIL import Image

    long, wide = tmp_path / "long.wav", tmp_path / "wide.png"
    soundfile.write(long, np.zeros(8000), 8000)
    Image.new("RGB", (20, 11)).save(wide)
    post = lambda **options: httpx.post(f"{guarded.url}/predict", headers=TOKEN, **options)  # noqa: E731
    large = post(json={"remark": "x" * 200_000})
    assert (large.status_code, large.json()["error"]["reason"]) == (413, "too_large")
    many = post(json={"rows": [{}] * 4})
    assert (many.status_code, many.json()["error"]["reason"]) == (413, "too_many_rows")
    sound = post(files={"speech": long.read_bytes()})
    assert "speech: is longer than max_seconds=0.2" in sound.text
    picture = post(files={"photo": wide.read_bytes()})
    assert "photo: has 20x11 pixels, more than max_pixels=200" in picture.text

    def endless():
        for _ in range(100):
            yield b" " * 10_000

    endless_json = {"content": endless(), "headers": {**TOKEN, **JSON}}
    assert httpx.post(f"{guarded.url}/predict", **endless_json).status_code == 413


def test_a_short_token_or_a_taken_port_is_told_of(bundle_path, tmp_path):
    (tmp_path / "token").write_text("short")
    command = [sys.executable, "-m", "mmbm.cli", "serve", bundle_path]
    done = subprocess.run(
        [*command, "--token-file", tmp_path / "token"], capture_output=True, text=True
    )
    assert (done.returncode, "16 characters" in done.stderr) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*command, "--port", port], capture_output=True, text=True)
    assert (done.returncode, "Choose another --port" in done.stderr) == (1, True)


def test_a_bundle_whose_golden_rows_are_answered_differently_is_not_served(bundle_path, tmp_path):
    copy = changed(bundle_path, tmp_path / "copy")
    done = subprocess.run(
        [sys.executable, "-m", "mmbm.cli", "serve", copy], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "golden rows are answered differently" in done.stderr


def changed(bundle_path, copy):
    """A copy that says its golden rows were answered otherwise; its hashes are in order."""
    from mmbm.bundle.manifest import sha256

    shutil.copytree(bundle_path, copy)
    file = copy / "golden/answers.json"
    answers = json.loads(file.read_text())
    answers["label"][0] = answers["label"][0][::-1]
    file.write_text(json.dumps(answers))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["golden/answers.json"] = sha256(file)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def replace(folder, bundle_path):
    shutil.rmtree(folder)
    shutil.copytree(bundle_path, folder)


def test_models_are_reloaded_while_they_answer_and_a_bad_one_is_not(bundle_path, tmp_path):
    """SIGHUP: `a` is replaced by a bundle that won't do, `b` by one that differs in its card."""
    from mmbm.bundle.manifest import sha256

    for name in "ab":
        shutil.copytree(bundle_path, tmp_path / name)
    models = [x for name in "ab" for x in ("--model", f"{name}={tmp_path / name}")]
    with serving(tmp_path / "run", *models) as server:
        before = server.get("/health/ready").json()["models"]
        assert before["a"] == before["b"]
        shutil.rmtree(tmp_path / "a")
        changed(bundle_path, tmp_path / "a")
        card = tmp_path / "b/README.md"
        card.write_text("Another one.")
        manifest = json.loads((tmp_path / "b/manifest.json").read_text())
        manifest["files"]["README.md"] = sha256(card)
        (tmp_path / "b/manifest.json").write_text(json.dumps(manifest))
        server.process.send_signal(signal.SIGHUP)
        now = until(lambda: (m := server.get("/health/ready").json()["models"]) != before and m)
        until(lambda: "the old version goes on" in server.said.read_text())
        assert now["a"] == before["a"]
        assert now["b"] != before["b"]
        for name in "ab":
            said = server.post(f"/models/{name}/predict", {"remark": "red"}).json()
            assert (said["model"], said["version"]) == (name, now[name])
        assert mmbm.Client(server.url, model="b").predict({"remark": "red"})[0]["label"]


def test_a_stopped_server_finishes_what_it_began(bundle_path, tmp_path, table):
    """SIGTERM while a body is still arriving: it is answered, then the process ends."""
    with serving(tmp_path / "run", bundle_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as line:
            body = b'{"remark": "red"}'
            head = HEAD + b"content-length: %d\r\n\r\n" % len(body)
            line.sendall(head + body[:5])
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            line.sendall(body[5:])
            received = line.recv(65536)
        assert received.startswith(b"HTTP/1.1 200 OK")
        server.process.wait(10)


def test_a_request_past_its_deadline_is_refused(bundle_path, tmp_path):
    with serving(tmp_path / "run", bundle_path, "--deadline", 0.5) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as line:
            line.sendall(HEAD + b"content-length: 9\r\n\r\n{")
            received = line.recv(65536)
        assert received.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in received
        assert server.post("/predict", {"remark": "red"}).status_code == 200


@pytest.mark.slow
def test_several_processes_share_a_port_and_one_that_dies_is_replaced(bundle_path, tmp_path):
    with serving(tmp_path / "run", bundle_path, "--workers", 2) as server:
        workers = until(lambda: len(w := children(server.process.pid)) >= 2 and w)
        stop, failed, answered = threading.Event(), [], []

        def ask():
            while not stop.is_set():
                try:
                    answered.append(server.post("/predict", {"remark": "red"}).status_code)
                except httpx.TransportError as error:  # what the dead process was answering
                    failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        os.kill(workers[0], signal.SIGKILL)
        time.sleep(8)
        stop.set()
        for thread in threads:
            thread.join()
        assert set(answered) == {200}
        assert len(failed) <= 8
        now = until(lambda: len(w := children(server.process.pid)) >= 2 and w)
        assert workers[0] not in now
        until(lambda: total(server) >= len(answered) - 1000)
        assert "without --workers" in server.get("/playground/").text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port's sockets don't share")
def test_several_processes_share_connections_evenly(bundle_path, tmp_path):
    """Also those that come all at once, and stay: each process gets some."""
    with serving(tmp_path / "run", bundle_path, "--workers", 2) as server:
        workers = until(lambda: len(w := children(server.process.pid)) >= 2 and w)
        host, port = server.url.removeprefix("http://").split(":")

        def connected() -> list[int]:
            import psutil

            return [len(psutil.Process(w).net_connections("tcp")) for w in workers]

        until(lambda: min(connected()) >= 1)  # both listen
        before = connected()
        lines = [socket.create_connection((host, int(port))) for _ in range(40)]
        until(lambda: sum(connected()) >= sum(before) + 40)
        shares = [after - b for after, b in zip(connected(), before)]
        for line in lines:
            line.close()
    assert min(shares) >= 8


@pytest.mark.slow
def test_a_port_that_is_served_is_not_shared_by_accident(bundle_path, tmp_path):
    with serving(tmp_path / "run", bundle_path, "--workers", 2) as server:
        port = server.url.rpartition(":")[2]
        command = [sys.executable, "-m", "mmbm.cli", "serve", str(bundle_path)]
        more = ["--port", port, "--workers", "2"]
        done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert "can't be listened on" in done.stderr


def total(server) -> float:
    lines = server.get("/metrics").text.splitlines()
    return sum(float(x.split()[-1]) for x in lines if x.startswith("mmbm_requests_total"))


def children(pid: int) -> list[int]:
    """Processes that serve: of spawned ones, those that aren't Python's resource tracker."""
    import psutil

    found = psutil.Process(pid).children()
    return [p.pid for p in found if "resource_tracker" not in " ".join(p.cmdline())]


def test_the_verb_is_the_verb_also_after_its_package_was_imported():
    import mmbm.serve.agent

    for _ in range(2):
        with pytest.raises(mmbm.MmbmError, match="Give a bundle to serve"):
            mmbm.serve()
