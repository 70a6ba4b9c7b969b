"""Infer text columns: their length, and the tokenizer for few rows."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mmbm.errors import TableError
from mmbm.kinds.category import words
from mmbm.kinds.guess import ColumnGuess, Options

if TYPE_CHECKING:
    from mmbm.kinds.sample import Sample

NGRAM_ROWS = 3000
"""Train rows below which n-grams are used too."""
TERMS = 16
"""Per token, including its n-grams."""
LATIN, AFTER_LATIN = 0.95, "\u0250"
"""Fraction of Latin letters in a column, for an English encoder; the first one that isn't."""
MOST_TOKENS = 128
"""Maximum length for it: a longer text would be cut, and takes too long to encode."""


def infer(sample: "Sample") -> ColumnGuess | None:
    """Any other kind has priority: text is tried last."""
    counts = Counter(sample.values)
    missing = words.missing(sample.name, counts)
    options = {"missing": missing.marks} if missing.marks else {}
    notes = tuple(filter(None, (missing.note, words.mojibake(sample.name, counts))))
    return texts([text for text in sample.values if text not in missing.marks], options, notes)


def infer_target(sample: "Sample") -> ColumnGuess:
    """A text has at most as many tokens as bytes, so that no text of the table is too long. Raises
    TableError."""
    if not sample.values:
        raise TableError(f"{sample.source}: target {sample.name!r} has no text to learn to write.")
    most = max(len(text.encode("utf-8", "replace")) for text in sample.values)
    tokens = max(16, -(-most // 16) * 16)
    why = f"texts of up to {most} bytes"
    return ColumnGuess("text", why, {"max_tokens": tokens}, by_token=True)


def texts(values: list[str], more: Options, notes: tuple[str, ...] = ()) -> ColumnGuess:
    """About 4 characters a token in scripts with spaces, 1.5 in those without; +1 for the start."""
    wide = np.array([sum(c > "\u2e80" for c in text) for text in values])
    tokens = (np.array([len(text) for text in values]) - wide) / 3.5 + wide / 1.2 + 1
    longest = int(np.ceil(np.quantile(tokens, 0.99) / 16) * 16)
    length = int(np.median([len(text) for text in values]))
    why = f"text of about {length} characters, {len(set(values))} different in {len(values)} rows"
    why += "; longer than 256 tokens is cut" if longest > 256 else ""
    options = {"max_tokens": min(256, max(16, longest)), **more}
    return ColumnGuess("text", why, options, notes=notes, few_rows=few_rows, frozen=frozen)


def few_rows(options: Options, rows: int, long: bool) -> Options:
    """With few rows, whole words without their order are learned better than word pieces."""
    read = {**options, "tokenizer": "word", "lowercase": True, "encoder": "bag"}
    if rows < NGRAM_ROWS:
        terms = TERMS * options["max_tokens"]
        read |= {"tokenizer": "ngram", "max_tokens": terms, "vocab_size": 20_000}
        read["encoder"] = {"kind": "bag", "size": "tiny"}
    return read


def frozen(guess: ColumnGuess, sample: "Sample") -> Options | None:
    """Only for short texts in Latin letters."""
    letters = [c for value in sample.values for c in value if c.isalpha()]
    if sum(c < AFTER_LATIN for c in letters) < LATIN * max(1, len(letters)):
        return None
    return dict(guess.options) if guess.options["max_tokens"] <= MOST_TOKENS else None
