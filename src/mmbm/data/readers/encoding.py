"""Detect a file's text encoding: by its BOM, as UTF-8, or by the legibility of its text."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mmbm.console import heartbeat
from mmbm.data.readers.legible import CLEAR, LEGIBLE, SAMPLE, WIDE, Guess, rank
from mmbm.errors import TableError

BLOCK = 1 << 20


class Encoding(NamedTuple):
    name: str
    note: str = ""
    """A message on the encoding that was chosen for a file that isn't UTF-8."""


def find_encoding(path: Path) -> Encoding:
    """UTF-16 and UTF-32 by their BOM, UTF-8 if the whole file is valid; else the one encoding that
    makes it legible. Raises TableError that names the candidates if none clearly does."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return Encoding("utf-32")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16")
    wide = head.count(0) > 0.02 * len(head)
    if not wide and _is_utf8(path):
        return Encoding("utf-8-sig")
    if not wide and _is_mostly_utf8(path):
        raise _damaged(path)
    ranked = rank(head if wide else _foreign(path))
    second = ranked[1].score if len(ranked) > 1 else -10.0
    if ranked and ranked[0].score >= LEGIBLE and ranked[0].score - second >= CLEAR:
        best = ranked[0]
        return Encoding(best.encoding, f"{path} is not UTF-8: read as {best.encoding} "
                        f"({_excerpt(best)!r}). If that is wrong, say what it is: --encoding, "
                        "data.encoding.")  # fmt: skip
    if wide:
        return Encoding("utf-8-sig")  # zero bytes of another origin: the reader reports where
    raise wrong_encoding(path, "utf-8-sig", ranked)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in heartbeat(_blocks(path), f"Checking the encoding of {path.name}, MB"):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _is_mostly_utf8(path: Path) -> bool:
    """Lines that are valid UTF-8 but not ASCII; other encodings are hardly ever valid UTF-8."""
    lines = _foreign(path).splitlines()
    return sum(map(_is_line, lines)) > 0.3 * len(lines)


def _is_line(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeError:
        return False
    return True


def _damaged(path: Path) -> TableError:
    position, line = _first_wrong(path, "utf-8")
    return TableError(
        f"{path}: byte {position} (line {line}) is not UTF-8, though most other lines are: it is "
        "damaged, or joined of two files. Mend that line, or say what all is: --encoding, "
        "data.encoding."
    )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _foreign(path: Path) -> bytes:
    """The first lines that aren't ASCII."""
    found, size = [], 0
    with path.open("rb") as file:
        while size < SAMPLE and (line := file.readline(BLOCK)):
            if not line.isascii():
                found.append(line[:SAMPLE])
                size += len(found[-1])
    return b"".join(found)


def _excerpt(guess: Guess) -> str:
    """The first words that aren't ASCII."""
    every = guess.text.replace(",", " ").split()
    words = [word for word in every if not word.isascii()] or every
    return " ".join(words[:3])[:30]


def wrong_encoding(path: Path, encoding: str, ranked: list[Guess] | None = None) -> TableError:
    """Report where the first byte is that isn't `encoding`, and which encodings to try."""
    position, line = _first_wrong(path, encoding)
    shown = "UTF-8" if encoding.startswith("utf-8") else encoding
    if ranked is None:
        ranked = [g for g in rank(_foreign(path)) if g.encoding not in (encoding, *WIDE)]
    likely = [g for g in ranked if g.score > LEGIBLE - 2][:3] or ranked[:2]
    names = ", ".join(f"{g.encoding} ({_excerpt(g)!r})" for g in likely)
    return TableError(
        f"{path}: byte {position} (line {line}) is not {shown} text. Say what it is with "
        f"--encoding or data.encoding; it may be {names or 'no text at all'}."
    )


def _first_wrong(path: Path, encoding: str) -> tuple[int, int]:
    """The first byte that isn't `encoding`, from 0, and its line, from 1."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, lines = 0, 1
    for block in _blocks(path):
        try:
            decoder.decode(block)
        except UnicodeError as error:
            start = getattr(error, "start", 0)
            return position + start, lines + block[:start].count(b"\n")
        position += len(block)
        lines += block.count(b"\n")
    return position, lines
