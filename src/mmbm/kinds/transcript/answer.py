"""Transcripts: CTC decoding, word times and metrics."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from mmbm.errors import MissingExtra
from mmbm.kinds.answer import Metric
from mmbm.kinds.audio.column import seconds_per_token
from mmbm.kinds.column import Arrays, Column
from mmbm.kinds.transcript.column import UNKNOWN
from mmbm.kinds.transcript.ctc import Greedy, PrefixBeam, Search, align
from mmbm.kinds.transcript.ngram import NGram
from mmbm.kinds.transcript.spec import TranscriptTarget

UNHEARD = "\ue000"
"""Replaces in a reference each character that training has never seen: no answer has it, so it
counts as an error."""

TOGETHER = 2000
"""Positions, of some 20 to 80 s, whose tokens are aligned together."""

_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\s\u3400-\u9fff\uf900-\ufaff]+")


class TranscriptAnswer:
    """Output [N, T, V]: probabilities of tokens along time, zeros after a row's last position.

    Words are separated by spaces; a Han character is a word by itself.
    """

    main = Metric("wer", False)
    metrics = (main, Metric("cer", False), Metric("accuracy", True))

    seconds: float | None = None
    """Seconds per token; None: unknown, then answers have no times."""

    def __init__(
        self, spec: TranscriptTarget, column: Column, inputs: Mapping[str, Any], quick: bool = False
    ):
        """quick: greedy search, whatever the config."""
        if quick:
            spec = spec.model_copy(update={"beam_size": 1, "ngram_order": 0})
        self.spec = spec
        if spec.input in inputs:
            self.seconds = seconds_per_token(inputs[spec.input])
        self.values: list[str] = list(column.state["values"])
        order = spec.ngram_order
        self.also = {"cer": self.cer}
        self.model = NGram(column.state["ngrams"], order, len(self.values)) if order else None

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        """`value` is None without audio. `confidence` is the probability of this exact text;
        `times` are the start and end of each word, in seconds."""
        return [self._row(trimmed(p)) for p in output]

    def _row(self, p: np.ndarray) -> dict[str, Any]:
        hearing = self.hearing()
        hearing.feed(p)
        return hearing.finish()

    def hearing(self) -> "StreamingDecoder":
        """Streaming decoder for audio that arrives in parts."""
        return StreamingDecoder(self)

    def search(self) -> Search:
        spec = self.spec
        if spec.beam_size == 1:
            return Greedy()
        return PrefixBeam(spec.beam_size, self.model, spec.lm_weight, spec.token_insertion_bonus)

    def _search(self, p: np.ndarray) -> list[int]:
        search = self.search()
        search.feed(p)
        return search.best()

    def text(self, ids: list[int]) -> str:
        return "".join(self.values[i] for i in ids).strip()

    def times(self, ids: list[int], spans: np.ndarray) -> list[dict[str, Any]]:
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
        """The transcripts of the rows, as texts [N]: the input of the metrics."""
        said = [self.text(self._search(p)) if len(p := trimmed(row)) else "" for row in output]
        return np.array(said, object)

    def decided(self, output: np.ndarray) -> np.ndarray:
        return output

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        values = [UNHEARD if i == UNKNOWN else value for i, value in enumerate(self.values)]
        rows = zip(target.values, target.lengths)
        texts = ["".join(values[i] for i in ids[:length]).strip() for ids, length in rows]
        return np.array(texts, object), target.present

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float:
        """Word error rate over all rows together: `output` as `read` made it."""
        return rate(output, truth, letters=False)

    def cer(self, output: np.ndarray, truth: np.ndarray) -> float:
        """Character error rate over all rows together."""
        return rate(output, truth, letters=True)

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """`accuracy` is the fraction of rows without an error; a rate may be above 1."""
        unknown = sum(text.count(UNHEARD) for text in truth)
        return {
            "wer": self.main_score(output, truth),
            "cer": self.cer(output, truth),
            "accuracy": float(np.mean(output == truth)),
            **({"unknown_characters": unknown} if unknown else {}),
        }

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        """The probability that `output` gives to the text of `of`."""
        return np.array([self._support(trimmed(p), trimmed(q)) for p, q in zip(output, of)])

    def _support(self, p: np.ndarray, q: np.ndarray) -> float:
        if not len(p) or not len(q):
            return 0.0
        if np.array_equal(p, q):
            return self._row(p)["confidence"]
        return float(np.exp(align(p, self._search(q))[0]))


class StreamingDecoder:
    """Streaming decoder of one recording: the transcript so far, and word times at the end.

    Words are aligned `TOGETHER` positions at a time, so that an hour costs sixty times a minute,
    and at the same positions however the audio is divided.
    """

    def __init__(self, answer: TranscriptAnswer):
        self.answer, self.search = answer, answer.search()
        self.parts: list[np.ndarray] = []  # positions whose tokens aren't aligned yet
        self.waiting, self.due = 0, TOGETHER  # their number, and when to align them
        self.spans: list[np.ndarray] = []  # [2] of each aligned token
        self.log_p, self.place = 0.0, 0  # of those, and where they end

    def feed(self, p: np.ndarray) -> None:
        """Add positions [T, V], without padding."""
        while len(p):
            part, p = p[: self.due - self.waiting], p[self.due - self.waiting :]
            self.search.feed(part)
            self.parts.append(part)
            self.waiting += len(part)
            if self.waiting == self.due and len(p):
                self._place()

    def text(self) -> str:
        """The transcript, if it ends here."""
        return self.answer.text(self.search.best())

    def sure(self) -> str:
        """Its beginning that later audio can't change."""
        return self.answer.text(self.search.sure())

    def after(self, p: np.ndarray) -> str:
        """The transcript if these positions [T, V] follow; they aren't kept."""
        search = self.search.copy()
        search.feed(p)
        return self.answer.text(search.best())

    def finish(self) -> dict[str, Any]:
        """As in a row of `TranscriptAnswer.rows`."""
        answer = self.answer
        times = {} if answer.seconds is None else {"times": []}
        if not self.waiting:
            return {"value": None, "confidence": 0.0, **times}
        ids = self.search.best()
        log_p, spans = align(np.concatenate(self.parts), ids[len(self.spans) :])
        log_p += self.log_p
        if times and np.isfinite(log_p):
            all_spans = np.array([*self.spans, *(spans + self.place)]).reshape(-1, 2)
            times = {"times": answer.times(ids, all_spans)}
        return {"value": answer.text(ids), "confidence": float(np.exp(log_p)), **times}

    def _place(self) -> None:
        """Align the final tokens in the first half of the pending positions; drop these."""
        p = np.concatenate(self.parts)
        before, half = len(self.spans), len(p) // 2
        ids, sure = self.search.best()[before:], len(self.search.sure()) - before
        _, spans = align(p, ids)
        count, end = int((spans[:sure, 1] <= half).sum()), 0
        if count:
            end = int(spans[count - 1, 1])
        elif sure or not ids:  # a silence
            end = min([half, *spans[:1, 0].tolist()])
        if end:
            self.log_p += align(p[:end], ids[:count])[0]
            self.spans += list(spans[:count] + self.place)
            self.place += end
            self.parts, self.waiting = [p[end:]], len(p) - end
        self.due = max(TOGETHER, self.waiting + TOGETHER // 2)


def trimmed(p: np.ndarray) -> np.ndarray:
    """The positions [T, V] of one row without its padding."""
    return p[p.sum(-1) > 0.5]


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def rate(said: np.ndarray, right: np.ndarray, letters: bool) -> float:
    """Error rate: errors of all rows divided by all reference words, or characters."""
    counted = np.array([errors(a, b, letters) for a, b in zip(said, right)])
    return float(counted[:, 0].sum() / max(counted[:, 1].sum(), 1))


@lru_cache(maxsize=1_000_000)
def errors(said: str, right: str, letters: bool) -> tuple[int, int]:
    """Substitutions, deletions and insertions, and the length of the reference."""
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
