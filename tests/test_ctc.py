"""Searching and aligning, against every path there is."""

from itertools import groupby, product

import numpy as np
import pytest

from mmbm.answers.ctc import align, greedy, prefix_beam
from mmbm.answers.ngram import NGram
from mmbm.columns.transcript import ngrams

T, V = 5, 3


@pytest.fixture(params=range(8))
def p(request) -> np.ndarray:
    logits = np.random.default_rng(request.param).normal(0, 1.5, (T, V))
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def every_text(p: np.ndarray) -> dict[tuple[int, ...], float]:
    """The probability of every text, as the sum over its paths."""
    texts: dict[tuple[int, ...], float] = {}
    for path in product(range(p.shape[1]), repeat=len(p)):
        text = tuple(token for token, _ in groupby(path) if token)
        chance = float(np.prod([p[time, token] for time, token in enumerate(path)]))
        texts[text] = texts.get(text, 0.0) + chance
    return texts


def test_a_text_has_the_probability_of_all_its_paths(p):
    texts = every_text(p)
    assert sum(texts.values()) == pytest.approx(1)
    for text, chance in texts.items():
        assert np.exp(align(p, list(text))[0]) == pytest.approx(chance)


def test_a_wide_beam_finds_the_most_probable_text(p):
    texts = every_text(p)
    assert tuple(prefix_beam(p, 200)) == max(texts, key=lambda text: texts[text])


def test_greedy_leaves_out_repetitions_and_blanks():
    best = [0, 1, 1, 0, 1, 2, 2, 0]
    assert greedy(np.eye(V)[best]) == [1, 1, 2]
    assert greedy(np.eye(V)[[0, 0]]) == []
    assert greedy(np.zeros((0, V))) == []


def test_a_token_lies_where_the_best_path_has_it():
    p = np.eye(V)[[0, 1, 1, 0, 0, 2, 0]] * 0.97 + 0.01
    _, spans = align(p, [1, 2])
    assert spans.tolist() == [[1, 3], [5, 6]]


def test_a_text_that_does_not_fit_is_impossible():
    log_p, spans = align(np.full((3, V), 1 / V), [1, 1, 1])  # needs a blank between each: 5 places
    assert log_p == -np.inf
    assert not spans.any()


def test_nothing_said_is_a_text_too(p):
    assert np.exp(align(p, [])[0]) == pytest.approx(float(p[:, 0].prod()))


TEXTS = [[1, 2, 1, 2], [1, 2], [1, 2, 1], [2, 1, 2]]


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("prefix", [(), (1,), (2, 1), (1, 1, 1)])
def test_what_may_follow_has_probability_one_in_all(order, prefix):
    model = NGram(ngrams(TEXTS, order), order, V)
    chances = np.exp([model.score(token, prefix) for token in range(V)])
    assert chances.sum() == pytest.approx(1)
    assert (chances > 0).all()


def test_what_followed_often_is_more_probable():
    model = NGram(ngrams(TEXTS, 2), 2, V)
    assert model.score(2, (1,)) > model.score(1, (1,))


def test_a_language_model_decides_between_what_sounds_alike():
    p = np.full((5, V), 0.01)
    p[0, 1] = p[1, 0] = p[3, 0] = p[4, 0] = 0.98
    p[2] = 0.02, 0.52, 0.46  # 1 0 ? 0: rather 1 than 2, as it sounds
    model = NGram(ngrams(TEXTS, 2), 2, V)
    assert prefix_beam(p, 16) == [1, 1]
    assert prefix_beam(p, 16, model, influence=1.0) == [1, 2]
