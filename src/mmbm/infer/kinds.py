"""One column's cells -> its kind, the settings that suit it and why; or why it is left out."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from mmbm.errors import TableError
from mmbm.infer import files
from mmbm.infer.sample import Sample
from mmbm.split import SYNONYMS

MOSTLY = 0.8
"""Part of the cells that must look like a path, a list, … for the column to be taken for one."""
SEPARATORS = (";", "|")
CLASSES = 20
"""A whole-number target with at most so many values is one of classes."""

_WHO = re.compile(
    r"(^|_)(speaker|user|subject|patient|person|participant|contributor|session|driver|author|"
    r"block|customer|source_?clip|recording)(_?id)?($|_)"
)
_ID = re.compile(r"(^|_)(id|ids|uuid|guid|key|index|idx|no|nr|number|code|hash|frame|row)($|_)")


@dataclass(frozen=True)
class Found:
    """What a column was taken for."""

    kind: str | None  # None: no kind suits it
    why: str
    options: dict[str, Any] = field(default_factory=dict)
    group: bool = False  # names who or what was recorded: rows of one value belong in one split
    opened: files.Files | None = None


def look(sample: Sample) -> Found:
    """The kind of an input column."""
    blank = 1 - len(sample.present) / max(1, len(sample.cells))
    if blank > 0.95:
        return Found(None, "empty" if blank == 1 else f"{blank:.0%} of its cells are empty")
    first = sample.present[0]
    if isinstance(first, list):
        return _lists(sample)
    media = _media(sample)
    if media is not None:
        return media
    if sample.distinct == 1:
        return Found(None, f"the same in every row: {_show(sample.values[0])}")
    if is_split(sample):
        return Found(None, "another split of the rows")
    if sample.is_number:
        return _number(sample)
    return _separated(sample) or _words(sample)


def aligned(sample: Sample, source: str) -> Found:
    """The kind of a column to match with others: media, or text however often it repeats. Raises
    TableError."""
    found = look(sample)
    if is_media(found) or found.kind == "text":
        return found
    if found.kind == "number" or not sample.values:
        raise TableError(
            f"{source}: column {sample.name!r} is {found.kind or found.why}; a match aligns "
            "pictures, sounds and texts."
        )
    return _text(sample.values)


def is_split(sample: Sample) -> bool:
    names = {SYNONYMS.get(value.lower()) for value in set(sample.values)}
    return None not in names and len(names) > 1 and "train" in names


def target(sample: Sample, source: str) -> Found:
    """The kind of a target column. Raises TableError if it can't be one."""
    if not sample.present:
        raise TableError(f"{source}: target {sample.name!r} is empty in every row.")
    if isinstance(sample.present[0], list):
        return _lists(sample)
    if sample.distinct == 1:
        raise TableError(
            f"{source}: target {sample.name!r} has one value, {_show(sample.values[0])}: there is "
            "nothing to learn."
        )
    if sample.is_number:
        numbers = sample.numbers[np.isfinite(sample.numbers)]
        if sample.is_whole and sample.distinct <= CLASSES and sample.repeats >= 4:
            return _classes(sample)
        tail = {"log": True} if _heavy_tail(numbers) else {}
        return Found("number", f"numbers from {numbers.min():g} to {numbers.max():g}", tail)
    separated = _separated(sample)
    if separated is not None:
        return separated
    if sample.repeats < 1.5 and sample.distinct > CLASSES:
        return said(sample)
    return _classes(sample)


def said(sample: Sample) -> Found:
    return Found("transcript", f"{sample.distinct} different values in {len(sample.values)} rows")


def written(sample: Sample, source: str) -> Found:
    """A text has at most as many tokens as bytes: none of the table's is too long. Raises
    TableError."""
    if not sample.values:
        raise TableError(f"{source}: target {sample.name!r} has no text to learn to write.")
    most = max(len(text.encode("utf-8", "replace")) for text in sample.values)
    tokens = max(16, -(-most // 16) * 16)
    return Found("text", f"texts of up to {most} bytes", {"max_tokens": tokens})


def _classes(sample: Sample) -> Found:
    counts = Counter(sample.values).most_common()
    (top, most), (last, least) = counts[0], counts[-1]
    why = f"{len(counts)} classes"
    if most > 1.5 * least:
        why += f", from {_show(last)} ({least} rows) to {_show(top)} ({most})"
    if most > 10 * least:
        why += "; class_weights: balanced gives rare ones more weight"
    return Found("category", why)


def _lists(sample: Sample) -> Found:
    return _labels([list(cell) for cell in sample.present if isinstance(cell, list)], {})


def _separated(sample: Sample) -> Found | None:
    """Labels in one string, if a small vocabulary is combined in many ways."""
    texts = [cell for cell in sample.present if isinstance(cell, str)]
    for separator in SEPARATORS:
        several = sum(separator in text for text in texts)
        if several == 0 or several < 0.2 * len(texts):
            continue
        parts = [[p.strip() for p in text.split(separator) if p.strip()] for text in texts]
        names = Counter(p for row in parts for p in row)
        if len(names) <= min(500, 0.3 * names.total()) and max(map(len, names), default=0) <= 40:
            return _labels(parts, {} if separator == ";" else {"separator": separator})
    return None


def _labels(rows: list[list[Any]], options: dict[str, Any]) -> Found:
    names = Counter(str(label) for row in rows for label in row)
    mean = names.total() / max(1, len(rows))
    if not names:
        return Found(None, "lists that are all empty")
    if len(names) > 2000:
        return Found(None, f"lists of {len(names)} different things, too many for labels")
    return Found("labels", f"{len(names)} labels, {mean:.1f} in a row", options)


def _media(sample: Sample) -> Found | None:
    first = sample.present[0]
    inside = isinstance(first, bytes | dict)
    named = Counter(files.by_name(cell) for cell in sample.present)
    kind, count = named.most_common(1)[0]
    if not inside and (kind is None or count < MOSTLY * len(sample.present)):
        return None
    if kind == "video":
        return Found(None, "videos; kind: audio would listen to their sound")
    seen = files.open_some(sample)
    if seen is None:
        return _not_opened(sample, kind, inside)
    options, why = (files.image_options if seen.kind == "image" else files.audio_options)(seen)
    if seen.problems:
        opened = len(seen.seen) + len(seen.problems)
        why += f"; {len(seen.problems)} of {opened} tried can't be read ({seen.problems[0]})"
    return Found(seen.kind, why, options, opened=seen)


def _not_opened(sample: Sample, kind: str | None, inside: bool) -> Found:
    if inside:
        return Found(None, "bytes that are neither pictures nor sounds")
    if kind in ("image", "audio"):
        example = _show(str(sample.present[0]))
        raise TableError(
            f"column {sample.name!r} names {kind} files, but none of those tried can be read, for "
            f"example {example} under {sample.root}. Is the folder right (data.root)?"
        )
    return Found(None, "paths of files that are neither pictures nor sounds")


def _number(sample: Sample) -> Found:
    numbers = sample.numbers[np.isfinite(sample.numbers)]
    if sample.is_whole and len(numbers) >= 10:
        left_out = _counter(sample, numbers)
        if left_out is not None:
            return left_out
        if _WHO.search(sample.name.lower()):
            return _who(sample)
    why = f"numbers from {numbers.min():g} to {numbers.max():g}"
    missing = 1 - len(numbers) / len(sample.cells)
    if missing > 0.005:
        why += f", {missing:.0%} empty"
    if _heavy_tail(numbers):
        return Found("number", why + " with a long tail", {"log": True})
    return Found("number", why)


def _counter(sample: Sample, numbers: np.ndarray) -> Found | None:
    """Whole numbers that count rows or repetitions, and measure nothing."""
    unique = sample.distinct >= 0.99 * len(numbers)
    steps = np.diff(numbers)
    dense = numbers.max() - numbers.min() < 2 * len(numbers)
    if unique and ((steps > 0).all() or (steps < 0).all() or dense or _named_id(sample)):
        return Found(None, "an identifier: different in every row")
    counts = np.unique(numbers, return_counts=True)[1]
    dense = numbers.max() - numbers.min() + 1 == len(counts)
    if sample.whole and len(counts) >= 10 and dense and counts.min() == counts.max() > 1:
        return Found(None, f"a counter: each of its {len(counts)} values in {counts[0]} rows")
    return None


def _named_id(sample: Sample) -> bool:
    return bool(_ID.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", sample.name).lower()))


def _who(sample: Sample) -> Found:
    return Found(None, f"names who or what was recorded ({sample.distinct} values)", group=True)


def _heavy_tail(numbers: np.ndarray) -> bool:
    if numbers.min() < 0 or len(numbers) < 20:
        return False
    middle, high = np.quantile(numbers, [0.5, 0.99])
    return bool(middle > 0 and high > 20 * middle)


def _words(sample: Sample) -> Found:
    texts = sample.values
    distinct, rows = sample.distinct, len(texts)
    unique = distinct >= 0.95 * rows and rows >= 10
    one_word = sum(" " not in text for text in texts) >= 0.95 * rows
    coded = sum(any(c.isdigit() for c in text) and text.isascii() for text in texts)
    if sum(_is_date(text) for text in texts[:200]) >= 0.95 * min(200, rows):
        return Found(None, "dates; split: {time: …} would test on the latest rows", group=False)
    if unique and one_word and (coded >= 0.7 * rows or _named_id(sample)):
        return Found(None, "an identifier: different in every row")
    if one_word and sample.repeats < 3 and coded >= 0.7 * rows:
        return Found(None, f"codes: {distinct} different ones in {rows} rows")
    if _WHO.search(sample.name.lower()) and one_word:
        return _who(sample)
    length = float(np.mean([len(text) for text in texts]))
    counts = Counter(texts)
    phrases = distinct > 50 and np.mean([len(text.split()) for text in counts]) >= 1.5
    if (
        (sample.repeats >= 5 or distinct <= 10)
        and distinct <= 1000
        and length <= 40
        and not phrases
    ):
        rare = sum(n == 1 for n in counts.values())
        options = {"min_count": 2} if distinct > 20 and rare > 0.1 * distinct else {}
        return Found("category", f"{distinct} values, such as {_most(counts)}", options)
    return _text(texts)


def _text(texts: list[str]) -> Found:
    # About 4 characters a token in scripts with spaces, 1.5 in those without; +1 for the start.
    wide = np.array([sum(c > "\u2e80" for c in text) for text in texts])
    tokens = (np.array([len(text) for text in texts]) - wide) / 3.5 + wide / 1.2 + 1
    longest = int(np.ceil(np.quantile(tokens, 0.99) / 16) * 16)
    length = int(np.median([len(text) for text in texts]))
    why = f"text of about {length} characters, {len(set(texts))} different in {len(texts)} rows"
    options = {"max_tokens": min(256, max(16, longest))}
    return Found(
        "text", why + ("; longer than 256 tokens is cut" if longest > 256 else ""), options
    )


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return not text.isdigit()


def _most(counts: Counter) -> str:
    return ", ".join(_show(value) for value, _ in counts.most_common(3))


def _show(value: str) -> str:
    value = " ".join(value.split())
    return value if len(value) <= 24 else value[:23] + "…"


def is_media(found: Found) -> bool:
    return found.kind in ("image", "audio")
