"""Generated text: decoding and metrics."""

from difflib import SequenceMatcher
from typing import Any, ClassVar

import numpy as np

from mmbm.errors import MissingExtra
from mmbm.kinds.answer import Metric
from mmbm.kinds.column import Arrays
from mmbm.kinds.text.column import END_ID, TextColumn
from mmbm.kinds.text.spec import TextTarget


class TextAnswer:
    """Output [N, T, 2]: tokens and their probabilities up to the end token, followed by zeros."""

    main = Metric("exact_match", True)
    metrics = (
        main,
        Metric("token_accuracy", True),
        Metric("bleu", True),
        Metric("chrf", True),
    )
    also: ClassVar = {}

    def __init__(
        self, spec: TextTarget, column: TextColumn, inputs: Any = None, quick: bool = False
    ):
        self.column = column

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        """`confidence` is the probability of this exact text."""
        return [
            {"value": self.text(row), "confidence": float(np.prod(row[row[:, 1] > 0, 1]))}
            for row in output
        ]

    def text(self, row: np.ndarray) -> str:
        return self.column.text(tokens(row))

    # ── measuring ────────────────────────────────────────────────────────────────────────────

    def read(self, output: np.ndarray) -> np.ndarray:
        """The texts [N]: the input of the metrics."""
        return np.array([self.text(row) for row in output], object)

    def decided(self, output: np.ndarray) -> np.ndarray:
        return output

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        rows = zip(target.values, target.lengths)
        texts = [self.column.text(ids[1 : length - 1].tolist()) for ids, length in rows]
        return np.array(texts, object), target.present

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float:
        """Exact match: the fraction of rows whose text equals the reference."""
        return float(np.mean(output == truth))

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """`token_accuracy` is the fraction of the reference's tokens, end tokens included, that are
        predicted at their position; BLEU (Papineni et al. 2002; its words as sacrebleu finds them,
        of Chinese the characters) and chrF (Popović 2015) are over all rows, from 0 to 1."""
        try:
            from sacrebleu.metrics.bleu import BLEU
            from sacrebleu.metrics.chrf import CHRF
        except ModuleNotFoundError as error:
            raise MissingExtra("Evaluating texts", "evaluate") from error
        said, right = list(output), [list(truth)]
        return {
            "exact_match": self.main_score(output, truth),
            "token_accuracy": self._token_accuracy(output, truth),
            "bleu": BLEU(tokenize="zh").corpus_score(said, right).score / 100,
            "chrf": CHRF().corpus_score(said, right).score / 100,
        }

    def _token_accuracy(self, output: np.ndarray, truth: np.ndarray) -> float:
        right = total = 0
        for said, wanted in zip(output, truth):
            ours, theirs = ([*self.column.tokens(text), END_ID] for text in (said, wanted))
            right += sum(a == b for a, b in zip(ours, theirs))
            total += len(theirs)
        return right / max(total, 1)

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Similarity of the tokens of the two texts [N] (Ratcliff & Obershelp 1988), from 0 to 1, 1
        if they are equal."""
        pairs = zip(output, of)
        return np.array([SequenceMatcher(None, tokens(a), tokens(b)).ratio() for a, b in pairs])


class Pieces:
    """Incremental decoding of a text: what each token adds to it."""

    def __init__(self, column: TextColumn):
        self.column, self.ids, self.said = column, [], ""

    def add(self, token: int) -> str:
        """Empty while a character is incomplete."""
        if token == END_ID:
            return self._rest(self.column.text(self.ids))
        self.ids.append(token)
        text = self.column.text(self.ids)
        return "" if text.endswith("\ufffd") else self._rest(text)

    def _rest(self, text: str) -> str:
        piece, self.said = text[len(self.said) :], text
        return piece


def tokens(row: np.ndarray) -> list[int]:
    """A row [T, 2] -> its tokens before the end."""
    ids = row[:, 0].astype(int).tolist()
    return ids[: ids.index(END_ID)] if END_ID in ids else ids
