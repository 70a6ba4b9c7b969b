"""The assistant: hears, understands by what was said before, and does it or says that it can't.

    mmbm serve … --agent assistant=assistant:Assistant

Three models and this file: `ears` (sound -> words), `mind` (words, what was meant before, a picture
-> tool and arguments, or a reply) and `album` (words or a picture -> pictures).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from phrases import Meaning, is_chinese
from tools import TOOLS, World

from mmbm.kinds.column import Cell
from mmbm.serve.agent import Models, Turn

MEMORY = 4
"""Turns of the user that it goes by."""
CLEAR = 0.6
"""Least probability of each letter, their geometric mean, for words to be believed."""
SURE = 0.6
"""Least probability of a tool, and of each of its arguments."""
WORDS = {
    "deaf": ("I didn't understand that. Please say it again.", "我没听清楚，请再说一遍。"),
    "unsure": ("I am not sure what you mean.", "我不确定你的意思。"),
    "none": (
        "I don't know how to do that. I switch lights, tell time and date, and find pictures.",
        "这个我不会。我会开关灯、报时间和日期、找图片。",
    ),
    "ask": ("Which one do you mean?", "你指的是哪一个？"),
    "show": ("Please show me a picture.", "请给我看一张图片。"),
}


class Heard(NamedTuple):
    text: str
    clear: bool
    spoken: bool


class Assistant:
    def __init__(self) -> None:
        self.world: World | None = None

    async def __call__(self, talk: Sequence[Turn], models: Models) -> AsyncIterator[str]:
        self.world = self.world or World(models)
        heard, meaning, picture = Heard("", False, False), Meaning("none"), None
        before = ""
        for turn in [turn for turn in talk if turn.role == "user"][-MEMORY:]:
            before = meaning.again(is_chinese(heard.text)) or before
            picture = turn.pictures[-1] if turn.pictures else picture
            heard = await hear(turn, models)
            meaning = await understand(heard, before, picture, models)
        chinese = is_chinese(heard.text)
        if heard.spoken:
            yield f"> {heard.text}\n\n"
        if meaning.tool in TOOLS:
            arguments = {k: v for k, v in meaning._asdict().items() if v}
            tool = TOOLS[meaning.tool].model_validate({**arguments, "picture": picture})
            yield await tool.run(self.world, chinese)
        else:
            yield meaning.reply or WORDS[meaning.tool][chinese]


async def hear(turn: Turn, models: Models) -> Heard:
    """What is said, or written."""
    if not turn.sounds:
        words = turn.text.strip().lower().rstrip(".?!。？！")
        return Heard(words, bool(words), False)
    said = await models.answer("ears", {"speech": turn.sounds[-1]})
    words = said["words"] or ""
    clear = said["words.confidence"] ** (1 / max(len(words), 1))
    return Heard(words, bool(words) and clear >= CLEAR, True)


async def understand(heard: Heard, before: str, picture: Cell, models: Models) -> Meaning:
    """Which tool with what, or a reply; what is not sure enough is no meaning at all."""
    if not heard.clear:
        return Meaning("deaf")
    row = {"said": heard.text, "before": before or None, "picture": picture}
    said = await models.answer("mind", row)
    tool = said["tool"]
    needed = [n for n in getattr(TOOLS.get(tool), "model_fields", ()) if n in Meaning._fields]
    if min(said[f"{name}.confidence"] for name in ("tool", *needed)) < SURE:
        return Meaning("unsure")
    if tool in ("look", "similar") and picture is None:
        return Meaning("show")
    if tool in ("talk", "look"):
        return Meaning(tool, reply=said["reply"]) if said["reply"] else Meaning("unsure")
    chosen: dict[str, Any] = {name: said[name] for name in needed}
    return Meaning(tool, **chosen)
