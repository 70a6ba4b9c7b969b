"""What can be said, in English and Mandarin, and what it means in a room.

The meaning is a function of the sentence, of what the camera sees and of what the sensors say; a
sentence that the room can't follow is refused.
"""

from collections.abc import Callable
from typing import NamedTuple

DEVICES = ("lamp", "fan", "tv", "curtain", "thermostat")
SWITCHED = ("lamp", "fan", "tv")
"""What `it` may be, and what is turned off for the night."""
COLDEST, WARMEST = 16, 26
"""°C that the thermostat can be set to."""
DIM = 300
"""Lux below which one can't read (EN 12464-1 asks for 300 to 500 at a desk)."""


class Room(NamedTuple):
    on: dict[str, bool]
    """Each device that is there, and whether it runs (a curtain: is open). Seen by the camera."""
    temperature: int  # °C, as cheap sensors give it (a DHT11 knows no tenths)
    light: int  # lux
    hour: int  # 0 to 23


class Command(NamedTuple):
    """The three targets."""

    device: str
    action: str
    value: str = "none"  # °C for the thermostat


REFUSE = Command("none", "refuse")
"""There is no such thing, here or at all."""
ASK = Command("none", "ask")
"""Which one?"""
NOTHING = Command("none", "nothing")
"""It is well as it is."""
Meaning = Callable[[Room], Command]
MOVES = {"on": True, "off": False, "open": True, "close": False}


def after(command: Command, room: Room) -> tuple[dict[str, bool], int | None]:
    """What a command does: which devices run then, and the °C that the thermostat is set to."""
    if command.action == "set":
        return room.on, int(command.value)
    moved = SWITCHED if command.device == "all" else (command.device,)
    to = MOVES.get(command.action)
    return {name: to if name in moved else now for name, now in room.on.items()}, None


def device(name: str, action: str) -> Meaning:
    return lambda room: Command(name, action) if name in room.on else REFUSE


def it_off(room: Room) -> Command:
    running = [name for name in SWITCHED if room.on.get(name)]
    return Command(running[0], "off") if len(running) == 1 else ASK if running else REFUSE


def warmer(degrees: int) -> Meaning:
    def meaning(room: Room) -> Command:
        if "thermostat" not in room.on:
            return REFUSE
        wanted = min(max(room.temperature + degrees, COLDEST), WARMEST)
        return Command("thermostat", "set", str(wanted))

    return meaning


def too_dark(room: Room) -> Command:
    """By day a closed curtain is opened; else the lamp is turned on."""
    if 7 <= room.hour < 18 and room.on.get("curtain") is False:
        return Command("curtain", "open")
    return Command("lamp", "on") if room.on.get("lamp") is False else REFUSE


def read(room: Room) -> Command:
    return NOTHING if room.light >= DIM else device("lamp", "on")(room)


def good_night(room: Room) -> Command:
    """At night all is turned off; by day it is a nap behind a closed curtain."""
    night = room.hour >= 20 or room.hour < 6
    return Command("all", "off") if night else device("curtain", "close")(room)


class Intent(NamedTuple):
    meaning: Meaning
    english: tuple[str, ...]  # the last is never trained on
    chinese: tuple[str, ...]  # the last is never trained on

    def phrasings(self, language: str, new: bool) -> tuple[str, ...]:
        """Those that training has, or with `new` those that it never has."""
        every = {"en": self.english, "cmn": self.chinese}[language]
        return every[-1:] if new else every[:-1]


def switch(name: str, action: str, english: str, chinese: str) -> Intent:
    en, zh = PATTERNS[action]
    meaning = device(name, action)
    return Intent(
        meaning, tuple(p.format(english) for p in en), tuple(p.format(chinese) for p in zh)
    )


PATTERNS = {
    "on": (
        (
            "turn on the {}",
            "switch the {} on",
            "{} on, please",
            "could you put the {} on",
            "please turn the {} on",
        ),
        ("把{}打开", "打开{}", "请开一下{}", "帮我打开{}", "请把{}打开"),
    ),
    "off": (
        (
            "turn off the {}",
            "switch the {} off",
            "{} off, please",
            "could you put the {} off",
            "please turn the {} off",
        ),
        ("把{}关掉", "关掉{}", "请关一下{}", "帮我关掉{}", "请把{}关掉"),
    ),
    "open": (
        ("open the {}", "draw the {} back", "{} open, please", "please open the {}"),
        ("拉开{}", "把{}拉开", "请把{}打开", "请拉开{}"),
    ),
    "close": (
        ("close the {}", "pull the {} shut", "{} closed, please", "please close the {}"),
        ("拉上{}", "把{}拉上", "请把{}关上", "请拉上{}"),
    ),
}

INTENTS = {
    "lamp on": switch("lamp", "on", "lamp", "台灯"),
    "lamp off": switch("lamp", "off", "lamp", "台灯"),
    "fan on": switch("fan", "on", "fan", "风扇"),
    "fan off": switch("fan", "off", "fan", "风扇"),
    "tv on": switch("tv", "on", "television", "电视"),
    "tv off": switch("tv", "off", "television", "电视"),
    "curtain open": switch("curtain", "open", "curtains", "窗帘"),
    "curtain close": switch("curtain", "close", "curtains", "窗帘"),
    "it off": Intent(
        it_off,
        ("turn it off", "switch it off", "turn that thing off", "please turn it off"),
        ("把它关掉", "关掉它", "把那个关了", "请把它关掉"),
    ),
    "warmer": Intent(
        warmer(2),
        ("make it warmer", "I am cold", "a bit warmer, please", "please make it warmer"),
        ("暖和一点", "我有点冷", "温度调高一点", "请暖和一点"),
    ),
    "cooler": Intent(
        warmer(-2),
        ("make it cooler", "I am too hot", "a bit cooler, please", "please make it cooler"),
        ("凉快一点", "我太热了", "温度调低一点", "请凉快一点"),
    ),
    "three degrees warmer": Intent(
        warmer(3),
        (
            "three degrees warmer",
            "set it three degrees higher",
            "make it three degrees warmer",
            "three degrees warmer, please",
        ),
        ("升高三度", "调高三度", "温度高三度", "请升高三度"),
    ),
    "three degrees cooler": Intent(
        warmer(-3),
        (
            "three degrees cooler",
            "set it three degrees lower",
            "make it three degrees cooler",
            "three degrees cooler, please",
        ),
        ("降低三度", "调低三度", "温度低三度", "请降低三度"),
    ),
    "too dark": Intent(
        too_dark,
        ("it is too dark", "I can't see a thing", "it is dark in here", "it is too dark in here"),
        ("太暗了", "什么都看不见", "这里好黑", "这里太暗了"),
    ),
    "read": Intent(
        read,
        ("I want to read", "I would like to read a book", "reading time", "I want to read a book"),
        ("我想看书", "我要读一会儿书", "看书时间到了", "我想看一会儿书"),
    ),
    "good night": Intent(
        good_night,
        ("good night", "I am going to sleep", "time for bed", "good night everyone"),
        ("晚安", "我要睡觉了", "该睡了", "大家晚安"),
    ),
    "elsewhere": Intent(
        lambda room: REFUSE,
        (
            "turn on the oven",
            "make some coffee",
            "order a pizza",
            "start the washing machine",
            "open the garage door",
            "what's the weather like",
            "vacuum the floor",
            "start the dishwasher",
        ),
        (
            "打开烤箱",
            "煮一杯咖啡",
            "帮我点外卖",
            "启动洗衣机",
            "打开车库门",
            "今天天气怎么样",
            "把地扫一下",
            "启动洗碗机",
        ),
    ),
}

DEPENDING = (
    *("it off", "it off", "warmer", "cooler", "three degrees warmer", "three degrees cooler"),
    *("too dark", "read", "good night"),
)
"""Intents whose command takes more than whether one device is there; `it` takes most."""
