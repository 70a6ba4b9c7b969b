"""One column's cells -> its kind, the settings that suit it and why; or why it is left out.

Each kind knows its own cells (`mmbm.kinds.NAME.infer`); here is the order in which they are asked,
and what is of no kind: empty and constant columns, identifiers, splits.
"""

from collections.abc import Sequence

import numpy as np

from mmbm import registry
from mmbm.cells.dates import is_time
from mmbm.cells.values import describe
from mmbm.data.split import SYNONYMS
from mmbm.errors import TableError
from mmbm.init.identifiers import is_row_number, named_id, named_key, names_who
from mmbm.kinds.guess import MOSTLY, ColumnGuess, show
from mmbm.kinds.sample import Sample
from mmbm.kinds.text.infer import texts

FILES = ("image", "audio")
LISTS = ("labels",)
NUMBERS = ("category", "number")
"""Codes and numbered classes first."""
WORDS = ("category", "text")
WORDS_OF_TARGET = ("category", "transcript")
ORDERED = {*FILES, *LISTS, *NUMBERS, *WORDS, *WORDS_OF_TARGET}
IDENTIFIER = "an identifier: different in (nearly) every row"


def infer_kind(sample: Sample) -> ColumnGuess:
    """The kind of an input column. Raises TableError: none of its files can be read."""
    blank = 1 - len(sample.present) / max(1, len(sample.cells))
    if blank > 0.95:
        return _none("empty" if blank == 1 else f"{blank:.0%} of its cells are empty")
    guess = _first(sample, _others("infer")) or _files(sample) or _lists(sample)
    if guess is not None:
        return guess
    if sample.distinct == 1:
        absent = len(sample.cells) - len(sample.present)
        where = f"in all {len(sample.present)} rows that aren't empty" if absent else "in every row"
        cure = "; a mark in some rows: fill the others, with no, say" if absent else ""
        return _none(f"the same {where}: {show(sample.values[0])}{cure}")
    if is_split(sample):
        return _none("another split of the rows")
    if sample.is_number:
        guess = _numbered(sample) or _first(sample, NUMBERS)
    elif sample.written.refused:
        return _none(sample.written.refused)
    else:
        guess = _first(sample, LISTS) or _named(sample) or _first(sample, WORDS)
    return guess or _none("of no kind")


def infer_target(sample: Sample, asked: str = "") -> ColumnGuess:
    """The kind of a target column, or what is `asked` for. Raises TableError: it can't be one."""
    where = f"{sample.source}: target {sample.name!r}"
    if asked:
        return registry.kind(asked).part("infer_target")(sample)
    if not sample.present:
        raise TableError(f"{where} is empty in every row.")
    guess = _first(sample, _others("infer_target"), "infer_target")
    if guess is None and sample.part(list) >= MOSTLY:
        guess = _first(sample, LISTS, "infer_target")
    guess = guess or _target_of_values(sample, where)
    if guess is None or guess.kind is None:
        raise TableError(f"{where}: {guess.why if guess else 'of no kind'}.")
    return guess


def _target_of_values(sample: Sample, where: str) -> ColumnGuess | None:
    if sample.part(dict, bytes, list):
        odd = next(c for c in sample.present if isinstance(c, dict | bytes | list))
        raise TableError(
            f"{where} holds {describe(odd)}; a target is a number, a category, labels or a text."
        )
    if sample.distinct == 1:
        one = show(sample.values[0])
        raise TableError(f"{where} has one value, {one}: there is nothing to learn.")
    if sample.is_number:
        return _first(sample, NUMBERS, "infer_target")
    if sample.written.refused:
        raise TableError(f"{where} has {sample.written.refused}.")
    return _first(sample, (*LISTS, *WORDS_OF_TARGET), "infer_target")


def infer_aligned(sample: Sample) -> ColumnGuess:
    """The kind of a column to align with others: media, or text however often it repeats. Raises
    TableError."""
    guess = infer_kind(sample)
    if guess.is_media or guess.is_text:
        return guess
    if guess.task == "regression" or not sample.values:
        raise TableError(
            f"{sample.source}: column {sample.name!r} is {guess.kind or guess.why}; a contrastive "
            "target aligns pictures, sounds and texts."
        )
    return texts(sample.values, {})


def is_split(sample: Sample) -> bool:
    names = {SYNONYMS.get(value.lower()) for value in set(sample.values)}
    return None not in names and len(names) > 1 and "train" in names


def _none(why: str, group: bool = False) -> ColumnGuess:
    return ColumnGuess(None, why, group=group)


def _others(part: str) -> list[str]:
    """Kinds without a place in the order of asking, as those of other packages: asked first."""
    found = registry.kinds().items()
    return [name for name, kind in found if name not in ORDERED and getattr(kind, part)]


def _first(sample: Sample, kinds: Sequence[str], part: str = "infer") -> ColumnGuess | None:
    """The first guess of these kinds that isn't None."""
    guesses = (registry.kind(name).part(part)(sample) for name in kinds)
    return next((guess for guess in guesses if guess is not None), None)


def _files(sample: Sample) -> ColumnGuess | None:
    """Media that can't be read are an error if their names say that they are some."""
    named, inside, seen, problems = sample.files
    if named is None and not inside:
        return None
    if named == "video":
        return _none("videos; kind: audio would listen to their sound")
    if seen:
        return _first(sample, FILES)
    if not problems:
        return _none("its cells hold no bytes and no path")
    first = problems[0]
    if named in FILES:
        raise TableError(
            f"{sample.source}: column {sample.name!r} names {named} files, but none of those tried "
            f"can be read. {first.sentence(sample.root)}"
        )
    if inside:
        return _none(f"its cells can't be read as images or audio: the first {first.reason}")
    return _none("paths of files that are neither images nor audio")


def _lists(sample: Sample) -> ColumnGuess | None:
    """What is no single value: lists, objects."""
    if sample.part(list) >= MOSTLY:
        return _first(sample, LISTS)
    odd = [c for c in sample.present if isinstance(c, list | dict | bytes)]
    if len(odd) <= (1 - MOSTLY) * len(sample.present):
        return None
    first = describe(odd[0])
    if isinstance(odd[0], dict):
        first += "; of objects {bytes, path} and {array, sampling_rate} are read"
    return _none(f"its cells are no single values, the first is {first}")


def _numbered(sample: Sample) -> ColumnGuess | None:
    """Whole numbers that name rows, repetitions or who was recorded, and measure nothing."""
    numbers = sample.finite
    if not sample.is_whole or len(numbers) < 10 or sample.written.options.get("unit"):
        return None
    unique = sample.distinct >= 0.99 * len(numbers)
    if unique and (is_row_number(sample) or named_id(sample)):
        return _none(IDENTIFIER)
    counts = np.unique(numbers, return_counts=True)[1]
    dense = numbers.max() - numbers.min() + 1 == len(counts)
    if sample.whole and len(counts) >= 10 and dense and counts.min() == counts.max() > 1:
        return _none(f"a counter: each of its {len(counts)} values in {counts[0]} rows")
    return _who(sample) if names_who(sample) else None


def _named(sample: Sample) -> ColumnGuess | None:
    """Words that name rows, times of day or who was recorded."""
    values = sample.values
    distinct, rows = sample.distinct, len(values)
    unique = distinct >= 0.95 * rows and rows >= 10
    one_word = sum(" " not in text for text in values) >= 0.95 * rows
    coded = sum(any(c.isdigit() for c in text) and text.isascii() for text in values)
    some = values[:200]
    if sum(map(is_time, some)) >= 0.95 * len(some):
        return _none("times of day or durations; write them as numbers, of minutes, say")
    if unique and one_word and (coded >= 0.7 * rows or named_key(sample)):
        return _none(IDENTIFIER)
    if one_word and sample.repeats < 3 and coded >= 0.7 * rows:
        return _none(f"codes: {distinct} different ones in {rows} rows")
    return _who(sample) if one_word and names_who(sample) else None


def _who(sample: Sample) -> ColumnGuess:
    return _none(f"names who or what was recorded ({sample.distinct} values)", group=True)
