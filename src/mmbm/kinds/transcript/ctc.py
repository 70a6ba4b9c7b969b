"""CTC decoding: token probabilities along time -> transcript, confidence and alignment."""

import math
from typing import NamedTuple

import numpy as np

from mmbm.kinds.transcript.column import BLANK
from mmbm.kinds.transcript.ngram import NGram

CERTAIN = 0.999
"""Above this probability of the blank no prefix ends or begins: the search only rescores."""
UNLIKELY = 1e-4
"""Tokens below this probability begin no prefix."""
TINY = 1e-30


class Beam(NamedTuple):
    """Log-probabilities of a prefix: of the paths that end in a blank, and in its last token."""

    blank: float
    token: float

    @property
    def total(self) -> float:
        return added(self.blank, self.token)


def added(a: float, b: float) -> float:
    """log(exp(a) + exp(b)): for two numbers far faster than numpy's."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))


NOTHING = Beam(-math.inf, -math.inf)


class Greedy:
    """Greedy decoding, incremental: the likeliest tokens, without repetitions and blanks."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.last = BLANK

    def feed(self, p: np.ndarray) -> None:
        """Add positions p [T, V], after those added before."""
        best = p.argmax(-1)
        changes = np.append(self.last, best)[:-1] != best
        self.ids += best[changes & (best != BLANK)].tolist()
        self.last = int(best[-1]) if len(best) else self.last

    def best(self) -> list[int]:
        return self.ids

    def sure(self) -> list[int]:
        """The part that no later position can change: for greedy decoding, all."""
        return self.ids

    def copy(self) -> "Greedy":
        other = Greedy()
        other.ids, other.last = list(self.ids), self.last
        return other


class PrefixBeam:
    """Prefix beam search (Hannun et al. 2014), incremental.

    A prefix's score is its log-probability, `lm_weight` times the language model's, and
    `token_insertion_bonus` for every token; without a model, its log-probability alone. Of two with
    the same ending only the better one is kept. The common beginning of all kept prefixes is final:
    it is stored apart, so that the cost per position is constant.
    """

    def __init__(
        self,
        width: int,
        model: NGram | None = None,
        lm_weight: float = 0.0,
        token_insertion_bonus: float = 0.0,
    ):
        self.width, self.model, self.lm_weight, self.token_insertion_bonus = (
            width,
            model,
            lm_weight,
            token_insertion_bonus,
        )
        self.context = max(1, model.order - 1 if model else 1)
        """Previous tokens that a token's score depends on."""
        self.apart: list[int] = []  # before all that `beams` hold
        self.beams: dict[tuple[int, ...], Beam] = {(): Beam(0.0, -math.inf)}
        self.said: dict[tuple[int, ...], float] = {(): 0.0}  # the language model's part of a score

    def feed(self, p: np.ndarray) -> None:
        """Add positions p [T, V], after those added before."""
        for frame in p:
            self._step(frame)
        common = self._common()
        if (apart := len(common) - self.context) > 0:
            self.apart += common[:apart]
            self.said = {prefix[apart:]: self.score(prefix) for prefix in self.beams}
            self.beams = {prefix[apart:]: beam for prefix, beam in self.beams.items()}

    def best(self) -> list[int]:
        """The best text, if it ends here."""

        def final(prefix: tuple[int, ...]) -> float:
            end = self.model.score(BLANK, prefix) * self.lm_weight if self.model else 0.0
            return self.beams[prefix].total + self.score(prefix) + end

        return [*self.apart, *max(self.beams, key=final)]

    def sure(self) -> list[int]:
        """The common beginning of all kept prefixes: no later position can change it."""
        return [*self.apart, *self._common()]

    def copy(self) -> "PrefixBeam":
        other = PrefixBeam(self.width, self.model, self.lm_weight, self.token_insertion_bonus)
        other.apart, other.beams, other.said = list(self.apart), self.beams, dict(self.said)
        return other

    def score(self, prefix: tuple[int, ...]) -> float:
        if prefix not in self.said:
            model = self.model
            spoken = (
                model.score(prefix[-1], prefix[:-1]) * self.lm_weight + self.token_insertion_bonus
                if model
                else 0.0
            )
            self.said[prefix] = self.score(prefix[:-1]) + spoken
        return self.said[prefix]

    def _step(self, frame: np.ndarray) -> None:
        """One position, frame [V]."""
        log_p = np.log(np.maximum(frame, TINY)).tolist()
        tokens = [] if frame[BLANK] > CERTAIN else self._likely(frame)
        following: dict[tuple[int, ...], Beam] = {}

        def add(prefix: tuple[int, ...], blank: float, token: float) -> None:
            old = following.get(prefix, NOTHING)
            following[prefix] = Beam(added(old.blank, blank), added(old.token, token))

        for prefix, beam in self.beams.items():
            last, total = prefix[-1] if prefix else BLANK, beam.total
            add(prefix, total + log_p[BLANK], beam.token + log_p[last] if prefix else -math.inf)
            for token in tokens:
                before = beam.blank if token == last else total  # a blank separates repetitions
                if before > -math.inf:
                    add((*prefix, token), -math.inf, before + log_p[token])
        score = self.score
        ranked = sorted(following, key=lambda one: following[one].total + score(one), reverse=True)
        self.beams = {}
        better: dict[tuple[int, ...], list[tuple[float, float]]] = {}  # by what they end with
        for prefix in ranked:
            blank, token, said = *following[prefix], score(prefix)
            alike = better.setdefault(prefix[-self.context :], [])
            beaten = any(blank + said <= b and token + said <= t for b, t in alike)
            if beaten and not any(prefix[:i] in following for i in range(len(prefix))):
                continue  # any continuation follows both, and the worse one can't catch up
            alike.append((blank + said, token + said))
            self.beams[prefix] = following[prefix]
            if len(self.beams) == self.width:
                break

    def _likely(self, frame: np.ndarray) -> list[int]:
        """Tokens that may begin a prefix here: at most as many as there are prefixes."""
        tokens = np.flatnonzero(frame > UNLIKELY)
        tokens = tokens[tokens != BLANK]
        if len(tokens) > self.width:
            tokens = tokens[np.argsort(-frame[tokens], kind="stable")[: self.width]]
        return tokens.tolist()

    def _common(self) -> tuple[int, ...]:
        """The common beginning of all kept prefixes: that of the first and the last in order."""
        first, last = min(self.beams), max(self.beams)
        alike = next((i for i, (a, b) in enumerate(zip(first, last)) if a != b), len(first))
        return first[:alike]


Search = Greedy | PrefixBeam


def greedy(p: np.ndarray) -> list[int]:
    """p [T, V] -> the text of a greedy search."""
    search = Greedy()
    search.feed(p)
    return search.best()


def prefix_beam(
    p: np.ndarray,
    width: int,
    model: NGram | None = None,
    lm_weight: float = 0.0,
    token_insertion_bonus: float = 0.0,
) -> list[int]:
    """p [T, V] -> the best text of a prefix beam search."""
    search = PrefixBeam(width, model, lm_weight, token_insertion_bonus)
    search.feed(p)
    return search.best()


def align(p: np.ndarray, ids: list[int]) -> tuple[float, np.ndarray]:
    """The log-probability of this exact text under p [T, V], over all its paths (the forward
    algorithm, Graves et al. 2006), and on the best of them (Viterbi) where each token begins and
    ends: int [L, 2], the end not included. -inf and zeros where the text doesn't fit."""
    states = np.zeros(2 * len(ids) + 1, np.int64)  # blank, first, blank, second, … blank
    states[1::2] = ids
    log_p = np.log(np.maximum(p, TINY))[:, states]  # [T, 2L + 1]
    skips = np.zeros(len(states), bool)  # a blank may be skipped between different tokens
    skips[3::2] = states[3::2] != states[1:-2:2]
    total = np.full(len(states), -np.inf)
    total[:2] = log_p[0, :2]
    best, came = total.copy(), np.zeros(log_p.shape, np.int8)
    for time in range(1, len(p)):
        total = np.logaddexp.reduce(_steps(total, skips), axis=0) + log_p[time]
        steps = _steps(best, skips)  # [3, 2L + 1]
        came[time] = steps.argmax(0)
        best = steps.max(0) + log_p[time]
    ends = total[-2:] if ids else total[-1:]
    spans = np.zeros((len(ids), 2), np.int64)
    whole = float(np.logaddexp.reduce(ends))
    if not ids or whole == -np.inf:
        return whole, spans
    state = len(states) - 1 - int(best[-2] > best[-1])
    path = np.empty(len(p), np.int64)
    for time in range(len(p) - 1, -1, -1):
        path[time] = state
        state -= int(came[time, state])
    for i in range(len(ids)):
        places = np.flatnonzero(path == 2 * i + 1)
        spans[i] = places[0], places[-1] + 1
    return whole, spans


def _steps(scores: np.ndarray, skips: np.ndarray) -> np.ndarray:
    """Scores of staying, of coming from one state before, and from two where that is allowed."""
    one = np.append(-np.inf, scores)[: len(scores)]
    two = np.append([-np.inf, -np.inf], scores)[: len(scores)]
    return np.stack([scores, one, np.where(skips, two, -np.inf)])
