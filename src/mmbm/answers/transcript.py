"""What is said in a sound."""

import re
from functools import lru_cache
from typing import Any

import numpy as np

from mmbm.answers import Metric
from mmbm.answers.ctc import align, greedy, prefix_beam
from mmbm.answers.ngram import NGram
from mmbm.columns import Arrays, Column
from mmbm.columns.transcript import UNKNOWN
from mmbm.config import TranscriptTarget
from mmbm.errors import MissingExtra

UNHEARD = "\ue000"
"""Stands in a right answer for a character that training has never seen: no answer has it, so it is
an error whatever is answered."""

_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\s\u3400-\u9fff\uf900-\ufaff]+")


class TranscriptAnswer:
    """Output [N, T, V]: probabilities of tokens along time, zeros behind a row's last one.

    A word is what stands between spaces; a Han character is one by itself.
    """

    main = Metric("wer", False)
    metrics = (main, Metric("cer", False), Metric("accuracy", True))

    def __init__(self, spec: TranscriptTarget, column: Column, seconds: float | None = None):
        """seconds: of one token; None: not known, then answers have no times."""
        self.spec, self.seconds = spec, seconds
        self.values: list[str] = list(column.state["values"])
        order = spec.order
        self.model = NGram(column.state["ngrams"], order, len(self.values)) if order else None

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        """`value` is None where there is no sound. `confidence` is the probability of just this
        text; `times` says from when to when each word is said, in seconds."""
        return [self._row(trimmed(p)) for p in output]

    def _row(self, p: np.ndarray) -> dict[str, Any]:
        times = {} if self.seconds is None else {"times": []}
        if not len(p):
            return {"value": None, "confidence": 0.0, **times}
        ids = self._search(p)
        log_p, spans = align(p, ids)
        if times and np.isfinite(log_p):
            times = {"times": self._times(ids, spans)}
        return {"value": self._text(ids), "confidence": float(np.exp(log_p)), **times}

    def _search(self, p: np.ndarray) -> list[int]:
        spec = self.spec
        if spec.beam == 1:
            return greedy(p)
        return prefix_beam(p, spec.beam, self.model, spec.influence, spec.bonus)

    def _text(self, ids: list[int]) -> str:
        return "".join(self.values[i] for i in ids).strip()

    def _times(self, ids: list[int], spans: np.ndarray) -> list[dict[str, Any]]:
        assert self.seconds is not None
        texts = [self.values[i] for i in ids]
        whole = "".join(texts)
        token_of = np.repeat(np.arange(len(ids)), [len(text) for text in texts])  # of a character
        said = []
        for match in _WORD.finditer(whole):
            first, last = token_of[match.start()], token_of[match.end() - 1]
            start, end = (
                round(float(i) * self.seconds, 3) for i in (spans[first, 0], spans[last, 1])
            )
            said.append({"word": match[0], "start": start, "end": end})
        return said

    # ── measuring ────────────────────────────────────────────────────────────────────────────

    def read(self, output: np.ndarray) -> np.ndarray:
        """What is said of each row, as texts [N]: all that is measured."""
        said = [self._text(self._search(p)) if len(p := trimmed(row)) else "" for row in output]
        return np.array(said, object)

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        values = [UNHEARD if i == UNKNOWN else value for i, value in enumerate(self.values)]
        rows = zip(target.values, target.lengths)
        texts = ["".join(values[i] for i in ids[:length]).strip() for ids, length in rows]
        return np.array(texts, object), target.present

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float:
        """Word error rate over all rows together: `output` as `read` made it."""
        return rate(output, truth, letters=False)

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """`accuracy` is the part of rows without an error; a rate may be above 1."""
        unknown = sum(text.count(UNHEARD) for text in truth)
        return {
            "wer": self.main_score(output, truth),
            "cer": rate(output, truth, letters=True),
            "accuracy": float(np.mean(output == truth)),
            **({"unknown_characters": unknown} if unknown else {}),
        }

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        """The probability that `output` gives to the text of `of`."""
        pairs = ((trimmed(p), trimmed(q)) for p, q in zip(output, of))
        probabilities = [
            np.exp(align(p, self._search(q))[0]) if len(p) and len(q) else 0.0 for p, q in pairs
        ]
        return np.array(probabilities)


def trimmed(p: np.ndarray) -> np.ndarray:
    """The places [T, V] of one row without its padding."""
    return p[p.sum(-1) > 0.5]


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def rate(said: np.ndarray, right: np.ndarray, letters: bool) -> float:
    """Errors of all rows by all words, or letters, that were to be said."""
    counted = np.array([errors(a, b, letters) for a, b in zip(said, right)])
    return float(counted[:, 0].sum() / max(counted[:, 1].sum(), 1))


@lru_cache(maxsize=1_000_000)
def errors(said: str, right: str, letters: bool) -> tuple[int, int]:
    """Substitutions, deletions and insertions, and how much there was to say."""
    try:
        import jiwer
    except ModuleNotFoundError as error:
        raise MissingExtra("Evaluating transcripts", "evaluate") from error
    if letters:
        found = jiwer.process_characters(right, said)
    else:
        found = jiwer.process_words(" ".join(words(right)), " ".join(words(said)))
    missed = found.substitutions + found.deletions
    return missed + found.insertions, missed + found.hits
