"""Searching and aligning, against every path there is."""

from itertools import groupby, product

import numpy as np
import pytest

from mmbm.kinds.transcript.column import ngrams
from mmbm.kinds.transcript.ctc import Greedy, PrefixBeam, align, greedy, prefix_beam
from mmbm.kinds.transcript.ngram import NGram

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


def test_a_language_model_decides_between_what_sounds_alike():
    p = np.full((5, V), 0.01)
    p[0, 1] = p[1, 0] = p[3, 0] = p[4, 0] = 0.98
    p[2] = 0.02, 0.52, 0.46  # 1 0 ? 0: rather 1 than 2, as it sounds
    model = NGram(ngrams(TEXTS, 2), 2, V)
    assert prefix_beam(p, 16) == [1, 1]
    assert prefix_beam(p, 16, model, lm_weight=1.0) == [1, 2]


def test_a_long_text_is_placed():
    """More states than a byte counts."""
    ids = [1 + i % 2 for i in range(300)]
    p = np.full((300, 3), 0.01)
    p[np.arange(300), ids] = 0.98
    log_p, spans = align(p, ids)
    assert log_p == pytest.approx(300 * np.log(0.98))
    assert spans.tolist() == [[i, i + 1] for i in range(300)]


def long(seed: int, places: int = 120, vocabulary: int = 5) -> np.ndarray:
    """Places of which most are certain, as of a trained model."""
    logits = np.random.default_rng(seed).normal(0, 9, (places, vocabulary))
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


@pytest.fixture(params=["greedy", "beam", "model"])
def search(request):
    model = NGram(ngrams([[1, 2, 3], [2, 1, 4, 4]], 3), 3, 5)
    return {
        "greedy": Greedy,
        "beam": lambda: PrefixBeam(8),
        "model": lambda: PrefixBeam(8, model, 0.5, 1.0),
    }[request.param]


@pytest.mark.parametrize("seed", range(6))
def test_places_that_come_in_parts_say_the_same(search, seed):
    p = long(seed)
    whole = search()
    whole.feed(p)
    for size in (1, 7, 50):
        parts = search()
        for start in range(0, len(p), size):
            parts.feed(p[start : start + size])
        assert parts.best() == whole.best()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_sure_stays_whatever_follows(search, seed):
    p, one = long(seed), search()
    sure: list[int] = []
    for start in range(0, len(p), 10):
        one.feed(p[start : start + 10])
        assert one.sure()[: len(sure)] == sure
        assert one.best()[: len(one.sure())] == one.sure()
        sure = one.sure()
    assert len(sure) > 20, "nothing became sure"


def test_a_copy_goes_its_own_way(search):
    p, one = long(1), search()
    one.feed(p[:60])
    before = one.best()
    other = one.copy()
    other.feed(p[60:])
    assert one.best() == before
    one.feed(p[60:])
    assert one.best() == other.best()


def test_a_long_search_keeps_only_what_is_not_sure():
    one = PrefixBeam(8, NGram({}, 3, 5), 0.5, 1.0)
    for seed in range(20):
        one.feed(long(seed))
    assert max(map(len, one.beams)) < 60 < len(one.best())
    assert len(one.said) <= 8
