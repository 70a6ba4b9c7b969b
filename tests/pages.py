"""Code blocks of Markdown pages, and how a reader would run them."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from servers import serving

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.M | re.S)
NOT_RUN = {"pip", "docker", "kubectl", "make", "source", "export"}


class Block(NamedTuple):
    language: str
    title: str | None  # the file that a reader saves it as
    text: str


def blocks(page: Path, language: str | None = None) -> list[Block]:
    found = [
        Block(name, title[1] if (title := re.search(r'title="([^"]+)"', rest)) else None, text)
        for name, rest, text in FENCE.findall(page.read_text(encoding="utf-8"))
    ]
    return [block for block in found if language in (None, block.language)]


def commands(text: str) -> list[str]:
    """The commands of a block of shell, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if line.strip()]


def run(folder: Path, command: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        shlex.split(command), cwd=folder, env={**os.environ, "PATH": path}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"


def follow(page: Path, folder: Path, more: str = "") -> None:
    """Do what a page says, block by block, in `folder`: save what has a title, run the rest. The
    server of `mmbm serve` goes on, on a port of its own, while the rest is done. `more` is added
    to `mmbm train`."""
    port = "8000"
    with contextlib.ExitStack() as stack:
        for block in blocks(page):
            if block.title:
                (folder / block.title).write_text(block.text, encoding="utf-8")
            elif block.language == "python":
                text = block.text.replace("localhost:8000", f"localhost:{port}")
                (folder / "block.py").write_text(text, encoding="utf-8")
                run(folder, f"{sys.executable} block.py")
            elif block.language == "sh":
                for command in commands(block.text):
                    name, *arguments = shlex.split(command)
                    if name in NOT_RUN:
                        continue
                    if [name, *arguments[:1]] == ["mmbm", "serve"]:
                        bundle = folder / arguments[1]
                        server = stack.enter_context(serving(folder / "server", bundle))
                        port = server.url.rpartition(":")[2]
                    elif name == "curl":
                        local = command.replace("localhost:8000", f"localhost:{port}")
                        run(folder, f"{local} --fail --silent --show-error")
                    else:
                        added = f" {more}" if arguments[:1] == ["train"] else ""
                        run(folder, command + added)
