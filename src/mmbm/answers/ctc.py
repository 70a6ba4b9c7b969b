"""From probabilities of tokens along time to what is said, how sure that is, and when."""

from typing import NamedTuple

import numpy as np

from mmbm.answers.ngram import NGram
from mmbm.columns.transcript import BLANK

CERTAIN = 0.999
"""A blank so probable ends no prefix and begins none: the search only weighs what it has."""
UNLIKELY = 1e-4
"""Tokens below this probability begin no prefix."""
TINY = 1e-30


class Beam(NamedTuple):
    """Log-probabilities of a prefix: of the paths that end in a blank, and in its last token."""

    blank: float
    token: float

    @property
    def total(self) -> float:
        return float(np.logaddexp(self.blank, self.token))


NOTHING = Beam(-np.inf, -np.inf)


def greedy(p: np.ndarray) -> list[int]:
    """p [T, V] -> the most probable token at every place, repetitions and blanks left out."""
    best = p.argmax(-1)
    changes = np.append(True, best[1:] != best[:-1])[: len(best)]
    return best[changes & (best != BLANK)].tolist()


def prefix_beam(
    p: np.ndarray,
    width: int,
    model: NGram | None = None,
    influence: float = 0.0,
    bonus: float = 0.0,
) -> list[int]:
    """p [T, V] -> the best text of a prefix beam search (Hannun et al. 2014).

    A prefix's score is its log-probability, `influence` times the language model's, and `bonus` for
    every token; without a model, its log-probability alone.
    """
    beams: dict[tuple[int, ...], Beam] = {(): Beam(0.0, -np.inf)}
    said: dict[tuple[int, ...], float] = {(): 0.0}  # the language model's part of the score

    def score(prefix: tuple[int, ...]) -> float:
        if prefix not in said:
            spoken = model.score(prefix[-1], prefix[:-1]) * influence + bonus if model else 0.0
            said[prefix] = score(prefix[:-1]) + spoken
        return said[prefix]

    for frame in p:
        log_p = np.log(np.maximum(frame, TINY))
        tokens = [] if frame[BLANK] > CERTAIN else np.flatnonzero(frame > UNLIKELY).tolist()
        following: dict[tuple[int, ...], Beam] = {}

        def add(prefix: tuple[int, ...], blank: float, token: float, into=following) -> None:
            old = into.get(prefix, NOTHING)
            into[prefix] = Beam(
                float(np.logaddexp(old.blank, blank)), float(np.logaddexp(old.token, token))
            )

        for prefix, beam in beams.items():
            last = prefix[-1] if prefix else BLANK
            stays = beam.token + log_p[last] if prefix else -np.inf
            add(prefix, beam.total + log_p[BLANK], stays)
            for token in tokens:
                if token == BLANK:
                    continue
                before = beam.blank if token == last else beam.total  # a blank parts repetitions
                if before > -np.inf:
                    add((*prefix, token), -np.inf, before + log_p[token])
        ranked = sorted(following, key=lambda one: following[one].total + score(one), reverse=True)
        beams = {prefix: following[prefix] for prefix in ranked[:width]}

    def final(prefix: tuple[int, ...]) -> float:
        end = model.score(BLANK, prefix) * influence if model else 0.0
        return beams[prefix].total + score(prefix) + end

    return list(max(beams, key=final))


def align(p: np.ndarray, ids: list[int]) -> tuple[float, np.ndarray]:
    """The log-probability that p [T, V] gives to just this text, over all its paths (the forward
    algorithm, Graves et al. 2006), and on the best of them (Viterbi) where each token begins and
    ends: int [L, 2], the end not included. -inf and zeros where the text doesn't fit."""
    states = np.zeros(2 * len(ids) + 1, np.int64)  # blank, first, blank, second, … blank
    states[1::2] = ids
    log_p = np.log(np.maximum(p, TINY))[:, states]  # [T, 2L + 1]
    skips = np.zeros(len(states), bool)  # a blank may be passed over between different tokens
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
        state -= came[time, state]
    for i in range(len(ids)):
        places = np.flatnonzero(path == 2 * i + 1)
        spans[i] = places[0], places[-1] + 1
    return whole, spans


def _steps(scores: np.ndarray, skips: np.ndarray) -> np.ndarray:
    """Scores of staying, of coming from one state before, and from two where that is allowed."""
    one = np.append(-np.inf, scores)[: len(scores)]
    two = np.append([-np.inf, -np.inf], scores)[: len(scores)]
    return np.stack([scores, one, np.where(skips, two, -np.inf)])
