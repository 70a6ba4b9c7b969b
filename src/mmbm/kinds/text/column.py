"""A text cell -> int32 token ids [T]."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.category.column import name
from mmbm.kinds.column import Cell, Description, State, Storage, readable
from mmbm.kinds.pretrained import (
    TOKENIZER,
    check_vocab_size,
    read_text_model,
    read_writer,
)
from mmbm.kinds.text import ngrams
from mmbm.kinds.text.cell import as_text, check_characters
from mmbm.kinds.text.spec import TRAINED, PretrainedDecoderSpec, TextSpec, TextTarget
from mmbm.specs.encoders import PretrainedSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, START, RARE = "<pad>", "<start>", "<rare>"
END_ID, START_ID = 0, 1
"""A target's text ends with the token that also pads it."""
OURS = 2
"""The ids of a pretrained decoder's tokenizer follow these two."""
CHARACTERS_PER_TOKEN = 32
"""A text is cut to this many characters per token it may have, before it is tokenized: a cell of a
megabyte costs no more than its beginning. English has about 4, Chinese 1 to 2."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def plain_text(cell: Cell) -> str | None:
    """A key that is equal for all Unicode forms and spaces of one text; None if absent."""
    if isinstance(cell, bytes):
        text: str | None = cell.decode("utf-8", "replace")
    else:
        try:
            text = name(cell)
        except BadCell:
            return None
    return None if text is None else " ".join(unicodedata.normalize("NFC", text).split())


class TextColumn:
    """A text -> int32 [T], T at least 1 (the start token) and at most `max_tokens`.

    A target keeps the whole text, with an end token; a longer one is a bad cell.

    State: `tokenizer`, the text of a tokenizer.json, or with `tokenizer: ngram` the known `terms`;
    `vocab_size`, one more than its largest id; with a pretrained encoder its `config` under
    `pretrained`, with a pretrained decoder what `read_writer` gives.
    """

    version = 4
    not_decoding: ClassVar = frozenset({"pretrained"})

    def __init__(self, spec: TextSpec | TextTarget, state: State | None = None):
        self.spec = spec
        self.storage = Storage("int32", (), ragged=True)
        self._tokenizer: Tokenizer | None = None
        self._learn(state or {})

    def fit(self, cells: Iterable[Cell]) -> State:
        """Train byte-level BPE (Sennrich et al. 2016), or load the tokenizer that the spec names,
        or that of a pretrained encoder."""
        spec, named, learned = self.spec, getattr(self.spec, "tokenizer_file", None), None
        model = spec.decoder if isinstance(spec, TextTarget) else spec.encoder
        if isinstance(spec, TextSpec) and isinstance(model, PretrainedSpec):
            learned = read_text_model(spec, model)
        elif isinstance(model, PretrainedDecoderSpec):
            learned = read_writer(model)
        if isinstance(model, PretrainedSpec | PretrainedDecoderSpec):
            named = f"{model.model}/{TOKENIZER}"
        if spec.tokenizer is None:
            raise ConfigError(
                "tokenizer: is empty in a bundle only; name bpe, word, ngram or a path."
            )
        if spec.tokenizer == "ngram":
            most = spec.vocab_size - OURS
            known = ngrams.learn(self._texts(cells), spec.lowercase, most)
            self._learn({"terms": known, "vocab_size": OURS + len(known)})
            return self.state
        tokenizer = _load(Path(named)) if named else _train(self._texts(cells), spec)
        ids = tokenizer.get_vocab(with_added_tokens=True).values()
        self.state = {"tokenizer": tokenizer.to_str(), "vocab_size": max(ids) + 1}
        if isinstance(model, PretrainedSpec | PretrainedDecoderSpec) and learned:
            check_vocab_size(model, learned, self.state["vocab_size"])
            self.state["pretrained"] = learned
        self._tokenizer = None
        return self.state

    def _learn(self, state: State) -> None:
        self.state: State = state
        known = state.get("terms")
        self._terms = None if known is None else {t: OURS + i for i, t in enumerate(known)}

    def decode(self, cell: Cell) -> np.ndarray | None:
        """A cell -> int32 [T]; None if absent; an empty text is present. Raises BadCell."""
        text = self._text(cell)
        if text is None:
            return None
        if isinstance(self.spec, TextTarget):
            ids = self.tokens(text)
            self._check_length(len(ids))
            return np.array([START_ID, *ids, END_ID], np.int32)
        if self._terms is not None:
            found = (self._terms.get(t) for t in ngrams.terms(text, self.spec.lowercase))
            known = islice((i for i in found if i is not None), self.spec.max_tokens - 1)
            return np.array([START_ID, *known], np.int32)
        ids = self._opened.encode(text).ids
        return np.array(ids or [0], np.int32)  # [0]: a foreign tokenizer without a start token

    def text(self, ids: Iterable[int]) -> str:
        """Decode these tokens to text."""
        return self._opened.decode([i - self._shift for i in ids if i >= self._shift])

    def tokens(self, text: str) -> list[int]:
        """A target's tokens, without those of start and end."""
        if not self._shift:
            return self._opened.encode(text).ids[1:]
        return [i + OURS for i in self._opened.encode(text, add_special_tokens=False).ids]

    @property
    def _shift(self) -> int:
        decoder = getattr(self.spec, "decoder", None)
        return OURS if isinstance(decoder, PretrainedDecoderSpec) else 0

    @property
    def _opened(self) -> "Tokenizer":
        if self._tokenizer is None:
            self._tokenizer = self._open()
        return self._tokenizer

    def _check_length(self, tokens: int) -> None:
        if tokens > self.spec.max_tokens:
            raise BadCell(
                f"has {tokens} tokens, more than max_tokens: {self.spec.max_tokens} of this target"
            )

    def describe(self) -> Description:
        schema: dict[str, Any] = {
            "type": "string",
            "description": f"Text; about the first {self.spec.max_tokens} tokens are read.",
        }
        return Description(schema, None, "text")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tokenizer": None}  # every worker process opens its own

    def _text(self, cell: Cell) -> str | None:
        limit = self.spec.max_tokens * CHARACTERS_PER_TOKEN
        cell = as_text(cell)
        if cell is None or (self.spec.missing and cell.strip() in self.spec.missing):
            return None
        if isinstance(self.spec, TextTarget) and len(cell) > limit:
            raise BadCell(f"has {len(cell)} characters, far more than max_tokens can be")
        text = _CONTROL.sub("", cell[:limit])
        if not text.isascii():
            check_characters(text)
        return text

    def _texts(self, cells: Iterable[Cell]) -> Iterator[str]:
        return filter(None, readable(cells, self._text))

    def _open(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self.state["tokenizer"])
        tokenizer.no_padding()
        if isinstance(self.spec, TextTarget):
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(self.spec.max_tokens)
        if isinstance(self.spec, TextTarget) or self.spec.tokenizer in TRAINED:
            tokenizer.encode_special_tokens = True  # "<start>" in a user's text is ordinary text
        return tokenizer


def _train(texts: Iterator[str], spec: TextSpec | TextTarget) -> "Tokenizer":
    from tokenizers import normalizers
    from tokenizers.processors import TemplateProcessing

    tokenizer, trainer = _words(spec) if spec.tokenizer == "word" else _bpe(spec)
    # NFC unifies the spellings of one character and changes nothing else. NFKC would also turn x²
    # into x2, ① into 1 and the full-width punctuation of Chinese into ASCII.
    steps = [normalizers.NFC(), *([normalizers.Lowercase()] if spec.lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence([*steps, *tokenizer.normalizer])
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 1)])
    return tokenizer


def _bpe(spec: TextSpec | TextTarget) -> tuple["Tokenizer", Any]:
    """Pieces of words (byte-level BPE); any text has tokens."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([])
    # The space before a word is part of it; the first word gets one, to have the same token.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocab_size,
        min_frequency=2,
        special_tokens=[PAD, START],  # ids 0 and 1
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    return tokenizer, trainer


def _words(spec: TextSpec | TextTarget) -> tuple["Tokenizer", Any]:
    """Words and punctuation marks; every Chinese character is a word."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token=RARE))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.BertNormalizer(strip_accents=False, lowercase=False)]  # spaces around 汉字
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordLevelTrainer(
        vocab_size=spec.vocab_size,
        min_frequency=1,
        special_tokens=[PAD, START, RARE],
        show_progress=False,
    )
    return tokenizer, trainer


def _load(path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
        json.loads(text)
    except FileNotFoundError as error:
        raise ConfigError(
            f"tokenizer: there is no file {file}; write bpe, word, ngram or a path."
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"tokenizer: {file} can't be read as JSON: {error}.") from error
    try:
        return Tokenizer.from_str(text)
    except Exception as error:
        if type(error) is not Exception:  # tokenizers raises only the bare Exception class
            raise
        raise ConfigError(f"tokenizer: {file} is no tokenizer.json: {error}.") from error
