"""The playground's chat page: write, speak or show an image, and read the agent's answer."""

from collections.abc import AsyncIterator, Iterable
from io import BytesIO
from typing import Any

from PIL import Image, UnidentifiedImageError

from mmbm.errors import MmbmError
from mmbm.kinds.image.column import DAMAGE, FORMATS
from mmbm.serve.agent import Agent, Turn
from mmbm.serve.limits import RequestError
from mmbm.serve.playground.gate import Folder
from mmbm.serve.playground.words import problem


def conversation(gradio: Any, words: Any, agent: Agent, folder: Folder) -> None:
    async def answer(
        message: dict[str, Any],
        history: list[dict[str, Any]],
        request: gradio.Request,  # type: ignore
    ) -> AsyncIterator[str]:
        said = ""
        try:
            now = turn("user", [message["text"]], message["files"], folder)
            before = [earlier(one, folder) for one in history]
            async for piece in agent.say([*before, now]):
                said += piece
                yield said
        except (MmbmError, RequestError) as error:
            raise problem(gradio, error, request) from error

    box = gradio.MultimodalTextbox(
        placeholder=words("say"), sources=["upload", "microphone"], file_count="multiple",
        file_types=["image", "audio"], show_label=False, elem_id=f"say-{agent.name}",
    )  # fmt: skip
    talk = gradio.Chatbot(show_label=False, height=520, elem_id=f"talk-{agent.name}")
    gradio.ChatInterface(
        answer, multimodal=True, textbox=box, chatbot=talk, flagging_mode="never", api_name=False,
        api_visibility="private", analytics_enabled=False,
    )  # fmt: skip


def earlier(message: dict[str, Any], folder: Folder) -> Turn:
    """A message in Gradio's format."""
    parts = message["content"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    files = [part["file"]["path"] for part in parts if part["type"] == "file"]
    return turn(message["role"], texts, files, folder)


def turn(role: str, texts: Iterable[str], files: Iterable[str], folder: Folder) -> Turn:
    sounds, pictures = [], []
    for file in files:
        cell = folder.read(file)
        (pictures if is_picture(cell) else sounds).append(cell)
    return Turn(role, "\n".join(texts), tuple(pictures), tuple(sounds))


def is_picture(file: bytes) -> bool:
    """By its content: browsers choose the file names of microphone recordings."""
    try:
        Image.open(BytesIO(file), formats=FORMATS).close()
    except UnidentifiedImageError:
        return False
    except DAMAGE:
        pass  # the column that reads it reports the error
    return True
