"""The playground's page of talk: write, speak or show a picture, and read what the agent says."""

from collections.abc import AsyncIterator, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from mmbm.columns.image import DAMAGE, FORMATS
from mmbm.errors import MmbmError
from mmbm.serve.agent import Agent, Turn


def conversation(gradio: Any, words: Any, agent: Agent) -> None:
    async def answer(message: dict[str, Any], history: list[dict[str, Any]]) -> AsyncIterator[str]:
        now = turn("user", [message["text"]], message["files"])
        said = ""
        try:
            async for piece in agent.say([*map(earlier, history), now]):
                said += piece
                yield said
        except MmbmError as error:
            raise gradio.Error(str(error)) from error

    box = gradio.MultimodalTextbox(
        placeholder=words("say"), sources=["upload", "microphone"], file_count="multiple",
        file_types=["image", "audio"], show_label=False, elem_id=f"say-{agent.name}",
    )  # fmt: skip
    talk = gradio.Chatbot(show_label=False, height=520, elem_id=f"talk-{agent.name}")
    gradio.ChatInterface(
        answer, multimodal=True, textbox=box, chatbot=talk, flagging_mode="never", api_name=False,
        api_visibility="private", analytics_enabled=False,
    )  # fmt: skip


def earlier(message: dict[str, Any]) -> Turn:
    """A message as Gradio keeps it."""
    parts = message["content"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    return turn(message["role"], texts, [p["file"]["path"] for p in parts if p["type"] == "file"])


def turn(role: str, texts: Iterable[str], files: Iterable[str]) -> Turn:
    sounds, pictures = [], []
    for file in files:
        cell = Path(file).read_bytes()
        (pictures if is_picture(cell) else sounds).append(cell)
    return Turn(role, "\n".join(texts), tuple(pictures), tuple(sounds))


def is_picture(file: bytes) -> bool:
    """By what it holds: browsers name what a microphone recorded as they like."""
    try:
        Image.open(BytesIO(file), formats=FORMATS).close()
    except UnidentifiedImageError:
        return False
    except DAMAGE:
        pass  # the column that reads it says what is wrong
    return True
