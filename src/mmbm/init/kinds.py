"""One column's cells -> its kind, the settings that suit it and why; or why it is left out."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from mmbm.cells.values import describe
from mmbm.cells.values import is_media as is_media_cell
from mmbm.data.split import SYNONYMS
from mmbm.errors import TableError
from mmbm.init import files, listed, shapes, words
from mmbm.init.dates import dates_as_numbers, is_date, is_time
from mmbm.init.found import MOSTLY, Found, is_media
from mmbm.init.found import show as _show
from mmbm.init.identifiers import is_row_number, named_id, named_key, names_who
from mmbm.init.sample import Sample
from mmbm.init.shapes import CLASSES, EXACT

__all__ = ["Found", "aligned", "is_media", "is_split", "look", "said", "target", "written"]

UNEVEN, TIMES = 2 / 3, 10
"""Part of the rows that the most frequent class has, or how many times those of the rarest, from
which on accuracy says little."""
IDENTIFIER = "an identifier: different in (nearly) every row"


def look(sample: Sample) -> Found:
    """The kind of an input column."""
    blank = 1 - len(sample.present) / max(1, len(sample.cells))
    if blank > 0.95:
        return Found(None, "empty" if blank == 1 else f"{blank:.0%} of its cells are empty")
    objects = _objects(sample)
    if objects is not None:
        return objects
    if sample.distinct == 1:
        absent = len(sample.cells) - len(sample.present)
        where = f"in all {len(sample.present)} rows that aren't empty" if absent else "in every row"
        cure = "; a mark in some rows: fill the others, with no, say" if absent else ""
        return Found(None, f"the same {where}: {_show(sample.values[0])}{cure}")
    if is_split(sample):
        return Found(None, "another split of the rows")
    if sample.is_number:
        return _number(sample)
    if sample.written.refused:
        return Found(None, sample.written.refused)
    return listed.separated(sample) or _words(sample)


def _objects(sample: Sample) -> Found | None:
    """What is no single value: media, lists, objects."""
    media = _media(sample)
    if media is not None:
        return media
    if _part(sample, list) >= MOSTLY:
        return listed.lists(sample)
    odd = [c for c in sample.present if isinstance(c, list | dict | bytes)]
    if len(odd) > (1 - MOSTLY) * len(sample.present):
        first = describe(odd[0])
        if isinstance(odd[0], dict):
            first += "; of objects {bytes, path} and {array, sampling_rate} are read"
        return Found(None, f"its cells are no single values, the first is {first}")
    return None


def _part(sample: Sample, *types: type) -> float:
    """Of the cells that aren't blank, those of these types."""
    return sum(isinstance(cell, types) for cell in sample.present) / max(1, len(sample.present))


def aligned(sample: Sample, source: str) -> Found:
    """The kind of a column to align with others: media, or text however often it repeats. Raises
    TableError."""
    found = look(sample)
    if is_media(found) or found.kind == "text":
        return found
    if found.kind == "number" or not sample.values:
        raise TableError(
            f"{source}: column {sample.name!r} is {found.kind or found.why}; a contrastive "
            "target aligns pictures, sounds and texts."
        )
    return _text(sample.values)


def is_split(sample: Sample) -> bool:
    names = {SYNONYMS.get(value.lower()) for value in set(sample.values)}
    return None not in names and len(names) > 1 and "train" in names


def target(sample: Sample, source: str) -> Found:
    """The kind of a target column. Raises TableError if it can't be one."""
    if not sample.present:
        raise TableError(f"{source}: target {sample.name!r} is empty in every row.")
    if _part(sample, list) >= MOSTLY:
        found = listed.lists(sample)
        if found.kind is None:
            raise TableError(f"{source}: target {sample.name!r}: {found.why}.")
        return listed.with_empty(sample, found)
    if _part(sample, dict, bytes, list):
        odd = next(c for c in sample.present if isinstance(c, dict | bytes | list))
        raise TableError(
            f"{source}: target {sample.name!r} holds {describe(odd)}; a target is a number, a "
            "category, labels or a text."
        )
    if sample.distinct == 1:
        raise TableError(
            f"{source}: target {sample.name!r} has one value, {_show(sample.values[0])}: there is "
            "nothing to learn."
        )
    if sample.is_number:
        return _number_target(sample)
    if sample.written.refused:
        raise TableError(f"{source}: target {sample.name!r} has {sample.written.refused}.")
    separated = listed.separated(sample)
    if separated is not None:
        if separated.kind is None:
            raise TableError(f"{source}: target {sample.name!r}: {separated.why}.")
        return listed.with_empty(sample, separated)
    if sample.repeats < 1.5 and sample.distinct > CLASSES:
        return said(sample)
    return _classes(sample)


def _number_target(sample: Sample) -> Found:
    """A number, or classes that are numbered: comment and report say how to have the other."""
    found = _measured(sample)
    if found.options.get("log"):
        note = f"{sample.name}: {shapes.long_tail(_finite(sample))}, so its logarithm is learned"
        found = replace(found, notes=(*found.notes, f"{note}; log: false learns it as it is."))
    numbers = _finite(sample)
    values, counts = np.unique(numbers, return_counts=True)
    if not sample.is_whole or sample.written.options.get("unit") or len(numbers) < 4 * len(values):
        return found
    reason = shapes.are_classes(sample.name, values, counts)
    many = f"{len(values)} whole numbers"
    if reason:
        classes = _classes(sample)
        if len(values) == 2:
            return classes
        notes = classes.notes
        if reason != shapes.NAMED:
            note = f"{sample.name}: {many} are taken for classes ({reason})"
            notes += (f"{note}; kind: number if their size counts.",)
        return replace(
            classes, why=f"{classes.why}; kind: number if their size counts", notes=notes
        )
    if len(values) <= CLASSES:
        why = f"{found.why}; kind: category if these are classes"
        note = f"{sample.name}: {many} are taken for a quantity or a scale, so a number"
        notes = (*found.notes, f"{note} is learned; kind: category if these are classes.")
        return replace(found, why=why, notes=notes)
    return found


def _finite(sample: Sample) -> np.ndarray:
    return sample.numbers[np.isfinite(sample.numbers)]


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
    counts = Counter(sample.values)
    found = words.missing(sample.name, counts, of_numbers=sample.is_number)
    marks = found.marks if len(counts) - len(found.marks) > 1 else []
    counts, notes = _spelled(sample.name, counts, marks, found.note)
    left = [(v, n) for v, n in counts.most_common() if v not in marks]
    (top, most), (last, least) = left[0], left[-1]
    why = f"{len(left)} classes"
    if most > 1.5 * least:
        why += f", from {_show(last)} ({least} rows) to {_show(top)} ({most})"
    rows = sum(n for _, n in left)
    if most >= UNEVEN * rows or most >= TIMES * least:
        uneven = f"uneven classes: {_show(top)} has {most / rows:.0%}"
        uneven += f", {_show(last)} {least / rows:.1%}" if most < UNEVEN * rows else ""
        why += f"; {uneven}"
        monitor = f"`train: {{monitor: {sample.name}.balanced_accuracy}}`"
        decides = "decides for balanced accuracy (see `decision`)"
        notes += (f"{sample.name}: {uneven}; {monitor} {decides}.",)
    return Found("category", why, _marked(marks), notes=notes)


def _spelled(
    name: str, counts: Counter[str], marks: list[str], note: str
) -> tuple[Counter[str], tuple[str, ...]]:
    """The values without the marks of absence, and what is odd about how they are written."""
    left = Counter({v: n for v, n in counts.items() if v not in marks})
    left, truths = words.truths(name, left)
    odd = (note, truths, words.spellings(name, left), words.mojibake(name, left))
    return left, tuple(filter(None, odd))


def _marked(marks: list[str]) -> dict[str, Any]:
    return {"missing": marks} if marks else {}


def _media(sample: Sample) -> Found | None:
    inside = sum(map(is_media_cell, sample.present)) >= MOSTLY * len(sample.present)
    named = Counter(files.by_name(cell) for cell in sample.present)
    kind, count = named.most_common(1)[0]
    if not inside and (kind is None or count < MOSTLY * len(sample.present)):
        return None
    if kind == "video":
        return Found(None, "videos; kind: audio would listen to their sound")
    seen = files.open_some(sample)
    if not seen.seen:
        return _not_opened(sample, kind, inside, seen)
    options, why = (files.image_options if seen.kind == "image" else files.audio_options)(seen)
    notes: tuple[str, ...] = ()
    if seen.problems:
        opened = len(seen.seen) + len(seen.problems)
        why += f"; {len(seen.problems)} of {opened} tried can't be read ({seen.problems[0].reason})"
        notes = (f"{sample.name}: {len(seen.problems)} of {opened} files tried can't be read; "
                 f"{seen.problems[0]}.",)  # fmt: skip
    return Found(seen.kind, why, options, opened=seen, notes=notes + seen.notes(sample.name))


def _not_opened(sample: Sample, kind: str | None, inside: bool, seen: files.Files) -> Found:
    """Media that can't be read are an error if their names say that they are some."""
    first = seen.problems[0] if seen.problems else None
    if first is None:
        return Found(None, "its cells hold no bytes and no path")
    if kind in ("image", "audio"):
        raise TableError(
            f"{sample.source}: column {sample.name!r} names {kind} files, but none of those tried "
            f"can be read. "
            f"{first.sentence(sample.root)}"
        )
    if inside:
        return Found(None, f"its cells can't be read as images or audio: the first {first.reason}")
    return Found(None, "paths of files that are neither images nor audio")


def _number(sample: Sample) -> Found:
    numbers = sample.numbers[np.isfinite(sample.numbers)]
    if sample.is_whole and len(numbers) >= 10 and not sample.written.options.get("unit"):
        left_out = _counter(sample, numbers)
        if left_out is not None:
            return left_out
        if names_who(sample):
            return _who(sample)
    if reason := shapes.are_codes(sample):
        return _codes(sample, reason)
    if sample.is_whole and len(numbers) and np.abs(numbers).max() >= EXACT:
        return Found(
            None, "whole numbers beyond 2^53, which as floats can't be told apart; if they are "
            "classes: kind: category",
        )  # fmt: skip
    found = _measured(sample)
    if sample.is_whole and shapes.named_code(sample.name):
        note = f"{sample.name}: named like a code, but its values are like those of a quantity"
        found = replace(found, notes=(*found.notes, f"{note}; kind: category if it is one."))
    missing = 1 - len(sample.present) / len(sample.cells)
    return found if missing <= 0.005 else _also(found, f", {missing:.0%} empty")


def _codes(sample: Sample, reason: str) -> Found:
    """Whole numbers that name something: values, rather than a quantity."""
    counts = Counter(sample.values)
    marks = words.missing(sample.name, counts, of_numbers=True).marks
    marks += [mark for mark in sample.written.options.get("missing", []) if mark not in marks]
    left = Counter({value: n for value, n in counts.items() if value not in marks})
    least = shapes.least_count(left)
    options = ({"min_count": least} if least > 1 else {}) | _marked(marks)
    why = f"{len(left)} codes, such as {_most(left)}; kind: number if their size counts"
    note = f"{sample.name}: {len(left)} whole numbers are taken for codes ({reason})"
    notes = (f"{note}; kind: number if their size counts.",)
    return Found("category", why, options, notes=notes)


def _also(found: Found, more: str) -> Found:
    return Found(found.kind, found.why + more, found.options, notes=found.notes)


def _measured(sample: Sample) -> Found:
    """A number and how it is written."""
    numbers = sample.numbers[np.isfinite(sample.numbers)]
    written = sample.written
    why = f"numbers from {numbers.min():g} to {numbers.max():g}"
    notes = tuple(f"{sample.name}: {note}." for note in written.notes)
    if sample.wrong:
        some = f"{len(sample.wrong)} of {len(sample.present)} cells are no numbers"
        why += f"; {some}, such as {_show(sample.wrong[0])}"
        first = _show(sample.wrong[0])
        notes += (
            f"{sample.name}: {some} and count as bad cells, such as {first}; to take them as "
            f"missing: missing: [{first}, …].",
        )
    if infinite := sum(isinstance(c, float) and np.isinf(c) for c in sample.present):
        of = f"{infinite} of {len(sample.present)}"
        notes += (
            f"{sample.name}: {of} cells are infinite and count as bad cells; leave them empty "
            "where there is no number.",
        )
    why += "".join(f"; {note}" for note in written.notes)
    if far := _stand_in(numbers):
        notes += (
            f"{sample.name}: {far:g} lies far from all other values; if it means that there is "
            f"none: missing: [{far:g}].",
        )
    if sample.is_whole and (what := dates_as_numbers(numbers)):
        notes += (
            f"{sample.name}: {numbers[0]:.0f} and the like look like {what}, and are read as plain "
            f"numbers; to test on the latest rows: split: {{time: {sample.name}}}.",
        )
    if tail := shapes.long_tail(numbers):
        return Found("number", f"{why}; {tail}", {**written.options, "log": True}, notes=notes)
    return Found("number", why, dict(written.options), notes=notes)


def _stand_in(numbers: np.ndarray) -> float | None:
    """A number of nines, in several rows and far from all others: -999 stands for no value."""
    for value in (float(numbers.min()), float(numbers.max())):
        others = numbers[numbers != value]
        if (
            set(f"{abs(value):g}") != {"9"}
            or abs(value) < 99
            or not 20 <= len(others) < len(numbers) - 1
        ):
            continue
        spread = max(float(np.ptp(others)), 1.0)
        if min(abs(value - others.min()), abs(value - others.max())) > spread:
            return value
    return None


def _counter(sample: Sample, numbers: np.ndarray) -> Found | None:
    """Whole numbers that count rows or repetitions, and measure nothing."""
    unique = sample.distinct >= 0.99 * len(numbers)
    if unique and (is_row_number(sample) or named_id(sample)):
        return Found(None, IDENTIFIER)
    counts = np.unique(numbers, return_counts=True)[1]
    dense = numbers.max() - numbers.min() + 1 == len(counts)
    if sample.whole and len(counts) >= 10 and dense and counts.min() == counts.max() > 1:
        return Found(None, f"a counter: each of its {len(counts)} values in {counts[0]} rows")
    return None


def _who(sample: Sample) -> Found:
    return Found(None, f"names who or what was recorded ({sample.distinct} values)", group=True)


def _words(sample: Sample) -> Found:
    texts = sample.values
    distinct, rows = sample.distinct, len(texts)
    unique = distinct >= 0.95 * rows and rows >= 10
    one_word = sum(" " not in text for text in texts) >= 0.95 * rows
    coded = sum(any(c.isdigit() for c in text) and text.isascii() for text in texts)
    some = texts[:200]
    if sum(map(is_date, some)) >= 0.95 * len(some):
        return Found(None, "dates; split: {time: …} would test on the latest rows", group=False)
    if sum(map(is_time, some)) >= 0.95 * len(some):
        return Found(None, "times of day or durations; write them as numbers, of minutes, say")
    if unique and one_word and (coded >= 0.7 * rows or named_key(sample)):
        return Found(None, IDENTIFIER)
    if one_word and sample.repeats < 3 and coded >= 0.7 * rows:
        return Found(None, f"codes: {distinct} different ones in {rows} rows")
    if one_word and names_who(sample):
        return _who(sample)
    length = float(np.mean([len(text) for text in texts]))
    counts = Counter(texts)
    missing = words.missing(sample.name, counts)
    phrases = distinct > 50 and np.mean([len(text.split()) for text in counts]) >= 1.5
    if (
        (sample.repeats >= 5 or distinct <= 10 or (sample.repeats >= 2 and names(texts)))
        and distinct <= 1000
        and length <= 40
        and not phrases
    ):
        least = shapes.least_count(counts)
        options: dict[str, Any] = {"min_count": least} if least > 1 else {}
        options |= _marked(missing.marks)
        left, notes = _spelled(sample.name, counts, missing.marks, missing.note)
        return Found("category", f"{len(left)} values, such as {_most(left)}", options, notes=notes)
    found = _text([text for text in texts if text not in missing.marks])
    marks = _marked(missing.marks)
    notes = tuple(filter(None, (missing.note, words.mojibake(sample.name, counts))))
    return Found("text", found.why, {**found.options, **marks}, notes=notes)


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


def names(texts: list[str]) -> bool:
    """Short words with a digit in each, as of codes: c17, shop-4."""
    return all(len(t) <= 16 and " " not in t and any(c.isdigit() for c in t) for t in texts)


def _most(counts: Counter) -> str:
    return ", ".join(_show(value) for value, _ in counts.most_common(3))
