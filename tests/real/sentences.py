"""Sentences of a smart home in English and Mandarin, spoken by espeak-ng: no voice and no sentence
is in two splits.

python tests/real/sentences.py FOLDER [ROWS] [LANGUAGE …]     en, cmn; both if none is named
"""

import csv
import sys
from itertools import product
from pathlib import Path

import numpy as np

from mmbm.demo.speech import ACCENTS, VOICES, Utterance, speak

GRAMMAR = {
    "en": (
        ("please ", "could you ", ""),
        ("turn on", "switch off", "open", "close", "check", "clean", "move"),
        (" the light", " the window", " the door", " the heater", " the fan", " the music"),
        (" in the kitchen", " in the bedroom", " upstairs", " in the garage", " in my office", ""),
        (" now", " at seven", " in ten minutes", " before dinner", " tomorrow morning", ""),
    ),
    "cmn": (
        ("请", "帮我", ""),
        ("现在", "七点", "十分钟后", "晚饭前", "明天早上", ""),
        ("打开", "关上", "检查", "清洁", "移动"),
        ("厨房的", "卧室的", "楼上的", "车库的", "书房的", ""),
        ("灯", "窗户", "门", "暖气", "风扇", "音乐"),
    ),
}
LANGUAGES = tuple(GRAMMAR)
PARTS = {"train": 0.8, "valid": 0.1, "test": 0.1}
"""Of the rows, of the sentences and of the voices."""


def make(folder: Path, rows: int, languages: tuple[str, ...] = LANGUAGES, seed: int = 0) -> Path:
    """Write media and data.csv: speech, words, language, voice, split. -> data.csv"""
    generator = np.random.default_rng(seed)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    voices = divide(list(VOICES), generator)
    sentences = {
        k: divide(["".join(p) for p in product(*GRAMMAR[k])], generator) for k in languages
    }
    drawn, lines = [], []
    for split, part in PARTS.items():
        for i in range(round(part * rows)):
            language = languages[i % len(languages)]
            accent = generator.choice(ACCENTS[language])
            voice = f"{accent}+{generator.choice(voices[split])}"
            text = str(generator.choice(sentences[language][split]))
            file = f"media/{len(lines):05}.wav"
            rate, pitch = generator.integers(140, 200), generator.integers(35, 66)
            drawn.append(Utterance(str(folder / file), text, voice, int(rate), int(pitch)))
            lines.append([file, text, language, voice, split])
    speak(drawn)
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["speech", "words", "language", "voice", "split"], *lines])
    return folder / "data.csv"


def divide(things: list[str], generator: np.random.Generator) -> dict[str, list[str]]:
    """Every thing to one split, in the proportions of PARTS."""
    shuffled = [things[i] for i in generator.permutation(len(things))]
    ends = np.round(np.cumsum(list(PARTS.values())) * len(things)).astype(int)
    starts = [0, *ends[:-1]]
    return {split: shuffled[a:b] for split, a, b in zip(PARTS, starts, ends)}


if __name__ == "__main__":
    named = tuple(sys.argv[3:]) or LANGUAGES
    print(make(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000, named))
