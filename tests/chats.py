"""Messages as a client of OpenAI's API sends them."""

import base64
from pathlib import Path

TOKEN = "a-token-of-this-test"


def base(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def text(said: str) -> dict:
    return {"type": "text", "text": said}


def picture(path: Path) -> dict:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base(path)}"}}


def sound(path: Path) -> dict:
    return {"type": "input_audio", "input_audio": {"data": base(path), "format": "wav"}}


def ask(client, model: str, *parts, **options):
    said = [{"role": "user", "content": list(parts)}]
    return client.chat.completions.create(model=model, messages=said, **options)
