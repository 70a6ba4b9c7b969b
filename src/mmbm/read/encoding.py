"""The text encoding of a file: found, or where it is wrong and what it may be."""

import codecs
from pathlib import Path

from mmbm.errors import TableError


def find_encoding(path: Path) -> str:
    """By the first bytes: UTF-16 and UTF-32 by their mark, else UTF-8 with or without one."""
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def wrong_encoding(path: Path, encoding: str) -> TableError:
    """Says where the first byte is that isn't `encoding`, and which encoding to try."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, lines, around = 0, 0, b""
    with path.open("rb") as file:
        while around := file.read(1 << 20):
            try:
                decoder.decode(around)
            except UnicodeError as error:
                start = getattr(error, "start", 0)
                lines += around[:start].count(b"\n")
                position += start
                around = around[max(0, start - 200) : start + 2000]
                break
            position += len(around)
            lines += around.count(b"\n")
    shown = "UTF-8" if encoding.startswith("utf-8") else encoding
    return TableError(
        f"{path}: byte {position} (line {lines + 1}) is not {shown} text. Say what it is, for "
        f"example data.encoding: {_guess(around)}."
    )


def _guess(data: bytes) -> str:
    text = data.decode("gb18030", errors="ignore")
    foreign = [c for c in text if not c.isascii()]
    chinese = sum("\u4e00" <= c <= "\u9fff" or c in "，。！？：；" for c in foreign)
    return "gbk" if foreign and chinese > 0.6 * len(foreign) else "cp1252"
