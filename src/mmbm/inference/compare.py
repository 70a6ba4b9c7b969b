"""Significance tests of answers by paired bootstrap. No torch."""

from typing import Any

import numpy as np

from mmbm.kinds.answer import Answer

DRAWS, FEWEST = 1000, 100
"""Bootstrap samples of a difference, at most and at least."""
DRAWN = 2_000_000
"""Rows that are drawn for a difference, over all samples, within the bounds on these."""
LEVEL, SURE = 0.95, 0.99
"""Levels of an interval, and of one that tests whether anything is learned: stricter, since several
metrics are compared, and members are weighted on the rows that judge them."""
NORMAL = 2.576
"""Standard errors of a 99 % interval."""
Found = dict[str, Any]


def difference(
    answer: Answer, ours: np.ndarray, theirs: np.ndarray, truth: np.ndarray, level: float = LEVEL
) -> Found:
    """Of the main metric, `value` and the `interval` of a paired bootstrap."""
    main = answer.main_score
    ours, theirs = answer.decided(ours), answer.decided(theirs)
    generator = np.random.default_rng(0)
    gaps = []
    for _ in range(int(np.clip(DRAWN // len(truth), FEWEST, DRAWS))):
        rows = generator.integers(0, len(truth), len(truth))
        gaps.append(main(ours[rows], truth[rows]) - main(theirs[rows], truth[rows]))
    return {
        "metric": answer.main.name,
        "value": main(ours, truth) - main(theirs, truth),
        "interval": [float(x) for x in np.nanquantile(gaps, [(1 - level) / 2, (1 + level) / 2])],
    }


def gain(
    answer: Answer, ours: np.ndarray, theirs: np.ndarray, truth: np.ndarray, level: float = LEVEL
) -> list[float]:
    """Interval of how much better `ours` is in the main metric: above zero is better."""
    low, high = difference(answer, ours, theirs, truth, level)["interval"]
    return [low, high] if answer.main.higher_is_better else [-high, -low]


def prior_report(answer: Any, output: np.ndarray, truth: np.ndarray) -> Found:
    """The constant `answer` that is best for these rows: its main score, and how much better
    `output` is, in the main metric (`gain`) and, compared with the training frequencies, in the
    loss (`loss_gain`)."""
    text, one = answer.constant(truth)
    constant = np.broadcast_to(one, output.shape)
    return {
        "answer": text,
        "score": answer.main_score(constant, truth),
        "gain": gain(answer, output, constant, truth, SURE),
        "loss_gain": loss_gain(answer, output, truth),
    }


def loss_gain(answer: Any, output: np.ndarray, truth: np.ndarray) -> list[float]:
    """99 % interval of how much lower the loss of `output` is than that of the training
    frequencies. With imbalanced classes, accuracy hardly distinguishes an answer from the most
    frequent class; the loss does."""
    prior = np.broadcast_to(answer.prior(), output.shape)
    gaps = answer.losses(prior, truth) - answer.losses(output, truth)
    error = NORMAL * float(gaps.std()) / np.sqrt(len(gaps))
    return [float(gaps.mean() - error), float(gaps.mean() + error)]


def subset_report(answer: Any, whole: np.ndarray, part: np.ndarray, truth: np.ndarray) -> Found:
    """Answers from some modalities: their main score, how much better all together are (`gain`),
    and whether they beat the prediction without any input."""
    return {
        "score": answer.main_score(part, truth),
        "gain": gain(answer, whole, part, truth),
        "beats_prior": better_than_prior(answer, part, truth),
    }


def better_than_prior(answer: Any, output: np.ndarray, truth: np.ndarray) -> bool:
    """`beats_prior` of a `prior_report`, without bootstrap samples if the loss decides it."""
    if loss_gain(answer, output, truth)[0] > 0:
        return True
    return beats_prior(prior_report(answer, output, truth))


def beats_prior(found: Found) -> bool:
    """Whether a `prior_report` beats the prior significantly."""
    return found["gain"][0] > 0 or found["loss_gain"][0] > 0
