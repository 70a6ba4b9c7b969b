"""An endpoint that misbehaves, and what is asked of it."""

import asyncio
import csv
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from starlette.responses import JSONResponse, PlainTextResponse, Response

from mmbm import llm as remote
from mmbm.llm import ChatClient, Question

COLOURS = Question("Which colour?", "category", ("red", "green", "blue"))


def run(*arguments, status=0, cwd=None, answer=None, env=None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mmbm.cli", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **(env or {})}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=cwd, env=env, input=answer
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def read(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Odd:
    """Answers by the text of a row, in OpenAI's shape or not; counts what it is asked."""

    def __init__(self):
        self.asked = Counter()
        self.at_once = self.most = 0
        self.told: list[dict] = []
        self.broken = False

    async def answer(self, request):
        body = await request.json()
        text = body["messages"][-1]["content"][-1]["text"]
        self.asked[text] += 1
        self.told.append(body)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.02)
        self.at_once -= 1
        if self.broken:
            return error(401, "no such key")
        if text == "busy" and self.asked[text] < 3:
            return error(429 if self.asked[text] == 1 else 503, "later", {"retry-after": "0.1"})
        if text == "large":
            return error(400, "the picture is too large")
        if text == "page":
            return PlainTextResponse("<html>Please log in</html>", media_type="text/html")
        if text == "json":
            return Response("{", media_type="application/json")
        if text == "empty":
            return JSONResponse({"object": "chat.completion", "choices": []})
        if text == "silent":
            return said(None)
        if text == "long":
            return said("red", "length")
        return said({"quoted": ' "Red". ', "unsure": "red or green"}.get(text, text))


def said(content, finish="stop"):
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    return JSONResponse({"object": "chat.completion", "choices": [choice], "usage": usage})


def error(status, message, headers=None):
    return JSONResponse({"error": {"message": message}}, status, headers)


def texts(folder: Path, *rows: str) -> Path:
    path = folder / "texts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["said"], *([row] for row in rows)])
    return path


def label(odd, table: Path, *options, question=COLOURS, **named):
    """Through the command line's own functions, into OUT beside the table."""
    endpoint = ChatClient("odd", odd.url, cache=table.parent / "kept.sqlite", **named)
    out = table.parent / "out.csv"
    agreed = []
    done = remote.label(
        table,
        "colour",
        question,
        endpoint,
        out,
        lambda cost: not agreed.append(cost),
        show=["said"],
    )
    return done, read(out), agreed[0]
