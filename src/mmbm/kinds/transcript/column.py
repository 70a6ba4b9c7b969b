"""A transcript cell -> the int32 ids of its tokens [L]."""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.column import Cell, Description, State, Storage, readable
from mmbm.kinds.text.cell import as_text, check_characters
from mmbm.kinds.transcript.spec import TranscriptTarget

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BLANK, UNKNOWN = 0, 1
"""Ids: CTC's blank, and a character that the train split doesn't have."""
REPLACEMENT = "\ufffd"  # Unicode's replacement character
MAX_CHARACTERS = 10_000
"""A longer text is refused: no clip has so much speech."""
MAX_TOKENS = 20_000
"""Fewer Han characters are in use; a larger vocabulary is no speech."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class TranscriptColumn:
    """A transcript -> int32 [L], L at least 1. Outer spaces are removed, repeated ones merged.

    State: `values`, the text of each token (the blank's is empty, a space is a token); `counts`,
    how often each occurs in the train split; `ngrams`, {context: {token: count}} for the language
    model, both sides ids, 0 the beginning or the end; and with `tokenizer: bpe` the `tokenizer`.
    """

    version = 1
    not_decoding: ClassVar = frozenset({"counts", "ngrams"})

    def __init__(self, spec: TranscriptTarget, state: State | None = None):
        self.spec = spec
        self.storage = Storage("int32", (), ragged=True)
        self._learn(state or {})

    def fit(self, cells: Iterable[Cell]) -> State:
        """Collect the characters, or train BPE over them (Sennrich et al. 2016)."""
        texts = Texts(self._texts(cells))
        state: State = {}
        if self.spec.tokenizer == "bpe":
            tokenizer = _train(texts, self.spec.vocab_size)
            pieces = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
            found = [piece.replace("▁", " ") for piece, _ in pieces[2:]]
            state["tokenizer"] = tokenizer.to_str()
        else:
            found = sorted(set().union(*texts))
        if len(found) > MAX_TOKENS:
            raise ConfigError(f"more than {MAX_TOKENS} different characters: nobody says all that.")
        self._learn({"values": ["", REPLACEMENT, *found], **state})
        counts: Counter[int] = Counter()
        grams = ngrams(self._counted(texts, counts), self.spec.ngram_order)
        self._learn({**self.state, "counts": [counts[i] for i in range(len(self.state["values"]))]})
        self.state["ngrams"] = grams
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> int32 [L]; None if it is empty. Raises BadCell."""
        text = self._text(cell)
        return np.array(self._encode(text), np.int32) if text else None

    def describe(self) -> Description:
        return Description({"type": "string", "description": "What is said."}, None, "text")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tokenizer": None}  # every worker process opens its own

    def _learn(self, state: State) -> None:
        self.state: State = state
        self._index = {value: i for i, value in enumerate(state.get("values", [])) if i > UNKNOWN}
        self._tokenizer: Tokenizer | None = None

    def _text(self, cell: Cell) -> str | None:
        cell = as_text(cell)
        if cell is None:
            return None
        if len(cell) > MAX_CHARACTERS:
            raise BadCell(f"has {len(cell)} characters, more than {MAX_CHARACTERS}")
        check_characters(cell)
        text = " ".join(unicodedata.normalize("NFC", _CONTROL.sub("", cell)).split())
        return text.lower() if self.spec.lowercase else text

    def _texts(self, cells: Iterable[Cell]) -> Iterator[str]:
        return filter(None, readable(cells, self._text))

    def _counted(self, texts: Iterable[str], counts: Counter[int]) -> Iterator[list[int]]:
        """The ids of each text, counted in passing."""
        for text in texts:
            ids = self._encode(text)
            counts.update(ids)
            yield ids

    def _encode(self, text: str) -> list[int]:
        if self.spec.tokenizer == "char":
            return [self._index.get(character, UNKNOWN) for character in text]
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_str(self.state["tokenizer"])
            self._tokenizer.encode_special_tokens = True  # "<blank>" in a text is ordinary text
        return self._tokenizer.encode(text).ids


class Texts:
    """Texts for several passes, as bytes in one buffer, which takes a fraction of the memory of
    Python's strings."""

    def __init__(self, texts: Iterable[str]):
        self._bytes, self._ends = bytearray(), array("q")
        for text in texts:
            self._bytes += text.encode()
            self._ends.append(len(self._bytes))

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends:
            yield self._bytes[start:end].decode()
            start = end


def ngrams(texts: Iterable[list[int]], order: int) -> dict[str, dict[str, int]]:
    """How often each token follows each context of up to order - 1 tokens."""
    counts: dict[str, Counter[str]] = {}
    for ids in texts:
        if not order:
            continue
        padded = [BLANK] * (order - 1) + ids + [BLANK]
        for place in range(order - 1, len(padded)):
            for length in range(order):
                context = " ".join(map(str, padded[place - length : place]))
                counts.setdefault(context, Counter())[str(padded[place])] += 1
    return {context: dict(followers) for context, followers in counts.items()}


def _train(texts: Iterable[str], vocab_size: int) -> "Tokenizer":
    """Pieces of words; the space before a word is part of its first piece."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=["<blank>", "<unknown>"],  # ids 0 and 1
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
