"""A bundle of ours behind OpenAI's interface, and an endpoint that misbehaves."""

import contextlib
import socket
import threading

import pytest
import tiny
import uvicorn
from odd import Odd
from servers import serving, until
from starlette.applications import Starlette
from starlette.routing import Route

import mmbm


@pytest.fixture(scope="session")
def one(table, tmp_path_factory):
    """One category from a picture, a sound and a text: all that a message can hold."""
    config = tiny.config(table, epochs=4, lr=0.01)
    config["inputs"] = {name: config["inputs"][name] for name in ("photo", "speech", "remark")}
    return mmbm.train(config, run=tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(scope="session")
def served(one, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), "--model", f"one={one.path}") as server:
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")


@pytest.fixture
def odd():
    odd = Odd()
    app = Starlette(routes=[Route("/v1/chat/completions", odd.answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        odd.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        until(lambda: server.started)
        yield odd
        server.should_exit = True
        thread.join(10)
