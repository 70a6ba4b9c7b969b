"""Ensemble selection: weights of members, chosen on rows that they were not trained on.

Greedy ensemble selection with replacement (Caruana et al. 2004) on bootstrap samples of the rows,
and the mean of the samples' choices (bagged selection, Caruana et al. 2006): with few rows a single
choice is unreliable. The out-of-bag rows judge the method: if its ensembles are not better there
than the member that each sample ranks first, one member answers alone.
"""

from typing import NamedTuple

import numpy as np

ROUNDS = 25
SAMPLES = 40
LEAST = 0.02
"""A member with less weight is left out."""
ROWS = 4000
"""Maximum rows per sample."""
PRIOR = 1e-6
"""Weight of the prior, which answers rows without any member."""


class Truth(NamedTuple):
    """The true answers of N rows, and the loss of an answer."""

    task: str  # multiclass | regression | multilabel
    values: np.ndarray  # [N] class index | [N] number | [N, L] 0/1

    def loss(self, answer: np.ndarray) -> np.ndarray:
        """Loss of each row [..., N] of answers [..., N, C]: negative log-likelihood, or squared
        error for a number."""
        if self.task == "regression":
            return (answer[..., 0] - self.values) ** 2
        p: np.ndarray = np.clip(answer, 1e-7, 1 - 1e-7)
        if self.task == "multiclass":
            return -np.log(np.take_along_axis(p, self._index(p), -1)[..., 0])
        per_label = self.values * np.log(p) + (1 - self.values) * np.log(1 - p)
        return -np.mean(per_label, axis=-1)

    def _index(self, p: np.ndarray) -> np.ndarray:
        index = self.values.reshape((1,) * (p.ndim - 2) + (-1, 1))
        return np.broadcast_to(index, (*p.shape[:-1], 1))

    def prior(self, size: int) -> np.ndarray:
        """The answer [C] to a row without any input."""
        if self.task == "multiclass":
            return np.bincount(self.values, minlength=size) / len(self.values)
        return np.atleast_1d(self.values.mean(0))

    def take(self, rows: np.ndarray) -> "Truth":
        return Truth(self.task, self.values[rows])


class Choice(NamedTuple):
    weights: np.ndarray  # [K], of the members, summing to 1
    losses: np.ndarray  # [K], mean loss of each member on the rows that have it; inf without any


def mix(weights: np.ndarray, answers: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Weights [K], answers [K, N, C], available [K, N] -> [N, C]: as in `AnswerEnsemble`."""
    share = weights[:, None] * available
    share = share / np.maximum(share.sum(0), 1e-12)
    return np.asarray((share[..., None] * answers).sum(0), np.float32)


def choose(
    answers: np.ndarray,
    available: np.ndarray,
    truth: Truth,
    groups: np.ndarray | None = None,
) -> Choice:
    """Weights of the members for answers [K, N, C] to rows that they were not trained on.

    available: which members a row has [K, N]. groups: rows that are drawn together [N].
    """
    losses = np.array(
        [truth.loss(a)[has].mean() if has.any() else np.inf for a, has in zip(answers, available)]
    )
    generator = np.random.default_rng(0)
    drawn = np.arange(len(truth.values)) if groups is None else groups
    _, code = np.unique(drawn, return_inverse=True)
    count = code.max() + 1
    chosen, worse = [], []
    for _ in range(SAMPLES):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        rows = np.repeat(np.arange(len(code)), times[code])
        if len(rows) > ROWS:
            rows = generator.choice(rows, ROWS, replace=False)
        out = np.flatnonzero(times[code] == 0)
        weights, first = greedy(answers[:, rows], available[:, rows], truth.take(rows))
        chosen.append(weights)
        if len(out):
            held, parts = truth.take(out), (answers[:, out], available[:, out])
            alone = np.eye(len(answers))[first] + 1e-6  # the others where a row lacks it
            mixed, single = (held.loss(mix(x, *parts)).mean() for x in (weights, alone))
            worse.append(mixed - single)
    weights = np.stack(chosen).mean(0)
    if worse and np.mean(worse) > np.std(worse):
        return Choice(np.eye(len(answers))[int(np.argmin(losses))], losses)
    weights[weights < LEAST] = 0.0
    return Choice(weights / weights.sum(), losses)


def greedy(answers: np.ndarray, available: np.ndarray, truth: Truth) -> tuple[np.ndarray, int]:
    """Weights [K] that lower the mean loss, and the best single member."""
    counts = np.zeros(len(answers))
    total = PRIOR * np.broadcast_to(truth.prior(answers.shape[2]), answers.shape[1:])
    share = np.full(answers.shape[1], PRIOR)
    own = answers * available[..., None]
    absent = ~available.any(1)
    best, first = np.inf, 0
    for step in range(ROUNDS):
        losses = truth.loss((total + own) / (share + available)[..., None]).mean(-1)
        losses[absent] = np.inf
        place = int(np.argmin(losses))
        if losses[place] >= best - 1e-9:
            break
        best, first = losses[place], place if step == 0 else first
        counts[place] += 1
        total, share = total + own[place], share + available[place]
    return counts / max(counts.sum(), 1), first
