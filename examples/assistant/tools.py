"""What the assistant can do: each tool is a class, its fields are the arguments, checked by type.

python tools.py     prints them as the `tools` of OpenAI's interface
"""

import base64
import datetime
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from phrases import ROOMS, is_chinese
from PIL import Image
from pydantic import BaseModel
from things import COLOURS, SHAPES, Thing

from mmbm.kinds.column import Cell
from mmbm.search import Found
from mmbm.serve.agent import Models

Room = Literal["kitchen", "bedroom", "bathroom", "garage", "garden", "office"]
Colour = Literal["red", "green", "blue", "yellow", "purple", "orange"]
Shape = Literal["circle", "square", "triangle", "star", "cross"]
assert (*get_args(Room), *get_args(Colour), *get_args(Shape)) == (*ROOMS, *COLOURS, *SHAPES)
WEEKDAYS = "一二三四五六日"
FOUND = 3
"""Pictures that are shown."""


@dataclass
class World:
    """What tools act on."""

    models: Models
    lights: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(ROOMS, False))
    clock: Callable[[], datetime.datetime] = datetime.datetime.now


class Tool(BaseModel, ABC):
    name: ClassVar[str]

    @abstractmethod
    async def run(self, world: World, chinese: bool) -> str:
        """Do it, and what to say then."""


class Lights(Tool):
    """Turn the light of a room on or off."""

    name = "lights"
    room: Room
    state: Literal["on", "off"]

    async def run(self, world: World, chinese: bool) -> str:
        world.lights[self.room] = self.state == "on"
        if chinese:
            return f"{ROOMS[self.room]}的灯{'开了' if self.state == 'on' else '关了'}。"
        return f"The light in the {self.room} is {self.state}."


class Time(Tool):
    """Tell the time."""

    name = "time"

    async def run(self, world: World, chinese: bool) -> str:
        now = f"{world.clock():%H:%M}"
        return f"现在是 {now}。" if chinese else f"It is {now}."


class Day(Tool):
    """Tell the date."""

    name = "day"

    async def run(self, world: World, chinese: bool) -> str:
        now = world.clock()
        if chinese:
            return f"今天是{now.month}月{now.day}日，星期{WEEKDAYS[now.weekday()]}。"
        return f"Today is {now:%A}, {now.day} {now:%B}."


class Search(Tool):
    """Find pictures of a thing in the album."""

    name = "search"
    colour: Colour
    shape: Shape

    async def run(self, world: World, chinese: bool) -> str:
        text = Thing(self.colour, self.shape).named(chinese)
        row: dict[str, Cell] = {"zh" if chinese else "en": text}
        found = await world.models.search("album", row, FOUND, of="picture")
        return shown("这些是" if chinese else "These I found for ", text, found)


class Similar(Tool):
    """Find pictures in the album that are like the one that is shown."""

    name = "similar"
    picture: Any

    async def run(self, world: World, chinese: bool) -> str:
        found = await world.models.search("album", {"picture": self.picture}, FOUND, of="picture")
        return shown("这些很像它" if chinese else "These are like it", "", found)


TOOLS: dict[str, type[Tool]] = {tool.name: tool for tool in (Lights, Time, Day, Search, Similar)}


def shown(intro: str, text: str, found: list[Found]) -> str:
    """Markdown: a page of talk shows the pictures, a program can read their numbers."""
    end = "：" if is_chinese(intro) else ":"
    pictures = [f"![{one.row}]({data_uri(Image.open(one.media['picture']))})" for one in found]
    return f"{intro}{text}{end}\n\n" + " ".join(pictures)


def data_uri(picture: Image.Image) -> str:
    with picture, io.BytesIO() as file:
        picture.save(file, "PNG")
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def described() -> list[dict[str, Any]]:
    """As OpenAI's clients describe tools to a model."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.__doc__,
                "parameters": tool.model_json_schema(),
            },
        }
        for tool in TOOLS.values()
    ]


if __name__ == "__main__":
    print(json.dumps(described(), indent=2))
