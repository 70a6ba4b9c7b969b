"""Words, pairs of words and n-grams of characters as the terms of a text.

As in fastText (Bojanowski et al. 2017): an unseen word shares most of its n-grams with words of the
train split. Every Chinese character is a word.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

SIZES = (2, 3, 4, 5)
"""Characters of an n-gram, inside a word with a space at each end."""
CHARACTERS = 24
"""Length after which no n-grams of a word are taken."""
OFTEN = 2
"""Texts that must contain a term for it to be kept; with fewer texts than `FEW` all are kept."""
FEW = 50

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W_]+|[^\w\s]|_",
)


def terms(text: str, lowercase: bool) -> Iterator[str]:
    """The terms of a text, with repeats, in the order of its words. A pair has a space between its
    words, an n-gram of characters begins with a tab."""
    text = unicodedata.normalize("NFC", text)
    before = None
    for match in _WORD.finditer(text.lower() if lowercase else text):
        word = match.group()
        yield word
        if before is not None:
            yield f"{before} {word}"
        before = word
        if len(word) > 1:
            padded = f" {word[:CHARACTERS]} "
            for size in SIZES:
                for start in range(len(padded) - size + 1):
                    yield f"\t{padded[start : start + size]}"


def learn(texts: Iterable[str], lowercase: bool, most: int) -> list[str]:
    """The terms that occur in most texts, at most so many."""
    found: Counter[str] = Counter()
    count = 0
    for text in texts:
        found.update(dict.fromkeys(terms(text, lowercase), 1))
        count += 1
    least = 1 if count < FEW else OFTEN
    kept = [(n, term) for term, n in found.items() if n >= least]
    kept.sort(key=lambda pair: (-pair[0], pair[1]))
    return [term for _, term in kept[:most]]
