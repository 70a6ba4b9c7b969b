"""What can be said to the assistant, in English and Mandarin, and what is meant by it.

The meaning is a function of the sentence, of what was meant before and of the picture that is
shown. Orders, searches and requests that nobody can fulfil here are combined of parts; some
combinations are never met in training.
"""

import hashlib
from itertools import product
from typing import NamedTuple

import numpy as np
from things import COLOURS, SHAPES, THINGS, Thing

ROOMS = {
    "kitchen": "厨房",
    "bedroom": "卧室",
    "bathroom": "浴室",
    "garage": "车库",
    "garden": "花园",
    "office": "书房",
}
STATES = ("on", "off")
SPLITS = ("train", "valid", "test")


class Meaning(NamedTuple):
    """The mind's targets; what doesn't matter to a tool is empty."""

    tool: str
    room: str = ""
    state: str = ""
    colour: str = ""
    shape: str = ""
    reply: str = ""

    def again(self, chinese: bool) -> str:
        """In words, for what is said next to be understood by; empty if nothing can refer to it."""
        if self.tool == "lights":
            return light(chinese, self.room, self.state)
        if self.tool == "search":
            return look_for(chinese, Thing(self.colour, self.shape))
        return ""


ASK = Meaning("ask")
"""Which one?"""
SHOW = Meaning("show")
"""There is no picture to look at."""
NONE = Meaning("none")
"""It can't be done here."""


class Asked(NamedTuple):
    said: str
    meaning: Meaning
    before: str = ""
    thing: Thing | None = None
    """What the picture shows, if there is one."""


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def light(chinese: bool, room: str, state: str) -> str:
    if chinese:
        return f"{'打开' if state == 'on' else '关上'}{ROOMS[room]}的灯"
    return f"turn {state} the light in the {room}"


def look_for(chinese: bool, thing: Thing) -> str:
    return f"{'给我看' if chinese else 'show me '}{thing.named(chinese)}"


# ── sentences that mean the same whatever was before ─────────────────────────────────────────────


def orders(chinese: bool) -> dict[str, Meaning]:
    found = {}
    for room, state in product(ROOMS, STATES):
        meaning = Meaning("lights", room, state)
        if chinese:
            verbs = ("打开", "开") if state == "on" else ("关上", "关掉")
            said = [
                f"{start}{verb}{ROOMS[room]}的灯" for start in ("", "请", "帮我") for verb in verbs
            ]
            said += [
                f"{start}把{ROOMS[room]}的灯{verb}" for start in ("", "请") for verb in verbs[-1:]
            ]
        else:
            verbs = (f"turn {state}", f"switch {state}")
            said = [
                f"{start}{verb} {what}"
                for start in ("", "please ", "could you ")
                for verb in verbs
                for what in (f"the light in the {room}", f"the {room} light")
            ]
        found |= dict.fromkeys(said, meaning)
    return found


def searches(chinese: bool) -> dict[str, Meaning]:
    starts = (
        ("给我看", "找一个", "我想看", "有没有")
        if chinese
        else ("show me ", "find ", "i want to see ", "look for ")
    )
    return {
        start + thing.named(chinese): Meaning("search", colour=thing.colour, shape=thing.shape)
        for start in starts
        for thing in THINGS
    }


CLOCK = {
    False: ("what time is it", "tell me the time", "what is the time"),
    True: ("现在几点", "几点了", "告诉我时间"),
}
CALENDAR = {
    False: ("what day is it", "what is the date today", "which day is today"),
    True: ("今天星期几", "今天几号", "今天是什么日子"),
}
TALK = {
    False: {
        "Hello! What can I do for you?": ("hello", "good morning", "good evening", "hi there"),
        "I am your assistant.": ("who are you", "what are you", "what is your name"),
        "I switch lights, tell the time, look at pictures and find them.": (
            "what can you do",
            "how can you help me",
            "help me",
        ),
        "You are welcome.": ("thank you", "thanks a lot", "well done"),
        "Goodbye!": ("goodbye", "see you later", "good night"),
        "I am fine, thank you.": ("how are you", "are you well"),
    },
    True: {
        "你好！要我做什么？": ("你好", "早上好", "晚上好"),
        "我是你的助手。": ("你是谁", "你叫什么名字"),
        "我会开关灯、报时、看图片和找图片。": ("你会做什么", "你能帮我什么"),
        "不客气。": ("谢谢", "非常感谢", "做得好"),
        "再见！": ("再见", "回头见", "晚安"),
        "我很好，谢谢。": ("你好吗", "你怎么样"),
    },
}
QUESTIONS = {
    False: (
        "play some music", "send a message to john", "what is the weather like", "tell me a story",
        "set an alarm for seven", "how old is the queen", "turn up the volume", "call my mother",
        "how far is the moon", "lock the front door", "what is on television", "who won the match",
        "show me the news", "what is the capital of france", "find a restaurant", "book a flight",
    ),
    True: (
        "放点音乐", "给小王发消息", "今天天气怎么样", "讲个故事", "七点叫我起床", "声音大一点",
        "附近有餐厅吗", "月亮有多远", "锁上大门", "今晚电视有什么", "谁赢了比赛", "给我看新闻",
        "法国的首都在哪里", "给妈妈打电话",
    ),
}  # fmt: skip
CHORES = {
    False: (
        ("order", "buy", "cook", "clean", "wash", "fix", "sell", "paint", "bring me", "weigh"),
        (" a pizza", " some rice", " the carpet", " the car", " my shoes", " a ticket", " the cat",
         " some flowers", " a letter", " the piano", " two eggs", " the bicycle"),
    ),
    True: (
        ("买", "做", "洗", "修", "卖", "画", "送", "扔掉", "称", "清洁"),
        ("披萨", "米饭", "地毯", "汽车", "鞋子", "机票", "花", "信", "钢琴", "鸡蛋",
         "自行车", "咖啡"),
    ),
}  # fmt: skip


def impossible(chinese: bool) -> list[str]:
    """What nobody can do here."""
    return [*QUESTIONS[chinese], *map("".join, product(*CHORES[chinese]))]


def plain(chinese: bool) -> dict[str, Meaning]:
    """Sentences by their own meaning."""
    found = {text: Meaning("time") for text in CLOCK[chinese]}
    found |= {text: Meaning("day") for text in CALENDAR[chinese]}
    for reply, said in TALK[chinese].items():
        found |= dict.fromkeys(said, Meaning("talk", reply=reply))
    return found


# ── sentences that mean something by what was before, or by a picture ────────────────────────────

LOOK = {
    False: ("what is this", "what do you see", "tell me what this is"),
    True: ("这是什么", "你看到了什么", "告诉我这是什么"),
}
SIMILAR = {
    False: ("find more like this", "show me something similar", "more of these please"),
    True: ("找类似的图片", "有没有相似的", "再找一些这样的"),
}
IT = {
    False: {
        "on": ("turn it on again", "switch it on"),
        "off": ("turn it off again", "switch it off"),
    },
    True: {"on": ("把它打开", "再打开它"), "off": ("把它关掉", "再关上它")},
}


def and_there(chinese: bool) -> dict[str, str]:
    """Sentence -> room: the same there."""
    if chinese:
        return {
            text: room for room, han in ROOMS.items() for text in (f"{han}也一样", f"还有{han}")
        }
    return {text: r for r in ROOMS for text in (f"and in the {r}", f"the {r} too")}


def and_that(chinese: bool) -> dict[str, str]:
    """Sentence -> colour: the same thing of it."""
    if chinese:
        return {f"{start}{han}的": c for c, (han, _) in COLOURS.items() for start in ("要", "再找")}
    return {text: c for c in COLOURS for text in (f"and {an(c)} {c} one", f"now in {c}")}


def an(colour: str) -> str:
    return "an" if colour == "orange" else "a"


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def part_of(text: str, split: str) -> bool:
    """Whether a sentence may be in a split: of ten, one is only in valid and one only in test."""
    place = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) % 10
    return SPLITS[max(0, place - 7)] == split


FOLLOWING = {"it": "lights", "there": "lights", "that": "search"}
"""Sentences that say only a part, and the tool they go on from."""


def ask(generator: np.random.Generator, split: str) -> Asked:
    """A row: a sentence, what was before, perhaps a picture, and what is meant."""
    chinese = bool(generator.integers(2))

    def one(of):
        items = list(of)
        return items[generator.integers(len(items))]

    def divided(of):
        return one(text for text in of if part_of(text, split))

    def earlier(tool: str) -> Meaning:
        """Mostly of the tool that a sentence follows, if it follows one."""
        lights = generator.random() < {"lights": 0.8, "search": 0.2}.get(tool, 0.5)
        if lights:
            return Meaning("lights", one(ROOMS), one(STATES))
        return Meaning("search", colour=one(COLOURS), shape=one(SHAPES))

    kind = one(("lights", "search", "plain", "none", "look", "look", "similar", *FOLLOWING))
    thing = one(THINGS) if generator.random() < 0.2 else None
    last = earlier(FOLLOWING.get(kind, "")) if generator.random() < 0.75 else None
    before = last.again(chinese) if last else ""
    match kind:
        case "lights":
            said = divided(orders(chinese))
            meaning = orders(chinese)[said]
        case "search":
            said = divided(searches(chinese))
            meaning = searches(chinese)[said]
        case "plain":
            said = one(plain(chinese))
            meaning = plain(chinese)[said]
        case "none":
            said, meaning = divided(impossible(chinese)), NONE
        case "look":
            thing = thing or (one(THINGS) if generator.random() < 0.8 else None)
            said = one(LOOK[chinese])
            meaning = seen(thing, chinese) if thing else SHOW
        case "similar":
            thing = thing or (one(THINGS) if generator.random() < 0.5 else None)
            said, meaning = one(SIMILAR[chinese]), Meaning("similar") if thing else SHOW
        case "it":
            state = one(STATES)
            said, meaning = one(IT[chinese][state]), ASK
            if last and last.tool == "lights":
                meaning = last._replace(state=state)
        case "there":
            said, meaning = one(and_there(chinese)), ASK
            if last and last.tool == "lights":
                meaning = last._replace(room=and_there(chinese)[said])
        case _:
            said, meaning = one(and_that(chinese)), ASK
            if last and last.tool == "search":
                meaning = last._replace(colour=and_that(chinese)[said])
    return Asked(said, meaning, before, thing)


def seen(thing: Thing, chinese: bool) -> Meaning:
    reply = f"这是{thing.named(True)}。" if chinese else f"This is {thing.named(False)}."
    return Meaning("look", colour=thing.colour, shape=thing.shape, reply=reply)
