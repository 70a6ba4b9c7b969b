"""Ranks, recall and chance."""

import numpy as np
import pytest

from mmbm.kinds.contrastive.answer import ContrastiveAnswer
from mmbm.kinds.contrastive.spec import ContrastiveTarget


def test_ranks_are_those_of_a_plain_sort_whatever_the_blocks(monkeypatch):
    from mmbm.kinds.contrastive import answer as match

    generator = np.random.default_rng(0)
    z = generator.normal(size=(60, 2, 6))
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    keys = np.stack([np.arange(60) + 1, generator.integers(1, 25, 60)], 1)
    keys[generator.random((60, 2)) < 0.1] = 0
    answer = ContrastiveAnswer(ContrastiveTarget(columns=["a", "b"]))
    expected = np.full((60, 2), np.nan)
    for p, (i, j) in enumerate([(0, 1), (1, 0)]):
        there = np.flatnonzero(keys[:, j])
        for a in np.flatnonzero(keys[:, i]):
            order = there[np.argsort(-(z[a, i] @ z[there, j].T))]
            right = (keys[order, i] == keys[a, i]) | (keys[order, j] == keys[a, j])
            if keys[a, j] or right.any():
                expected[a, p] = 1 + np.argmax(right) if right.any() else np.nan
    monkeypatch.setattr(match, "QUESTIONS", 7)
    monkeypatch.setattr(match, "CANDIDATES", 9)
    np.testing.assert_array_equal(answer.ranks(z, keys), expected)


def test_after_an_epoch_a_bounded_number_of_questions_is_ranked_among_all_cells(monkeypatch):
    from mmbm.kinds.contrastive import answer as match

    generator = np.random.default_rng(0)
    z = generator.normal(size=(300, 2, 6))
    keys = np.tile(np.arange(1, 301)[:, None], (1, 2))
    spec = ContrastiveTarget(columns=["a", "b"])
    expected = ContrastiveAnswer(spec).ranks(z, keys)
    assert ContrastiveAnswer(spec, quick=True).ranks(z, keys).tolist() == expected.tolist()

    monkeypatch.setattr(match, "QUICK", 50)
    asked, compare = [], match._compare
    monkeypatch.setattr(match, "_compare", lambda *a: asked.append(len(a[4])) or compare(*a))
    quick = ContrastiveAnswer(spec, quick=True)
    ranks = quick.ranks(z, keys)
    assert sum(asked) == 2 * 2 * 50  # each pair's questions are compared twice
    known = ~np.isnan(ranks)
    assert known.sum(0).tolist() == [50, 50]
    assert (ranks[known] == expected[known]).all()
    pair = quick.score(ranks, keys)["pairs"]["a->b"]
    assert (pair["questions"], pair["candidates"]) == (50, 300)
    assert pair["chance"]["recall@1"] == pytest.approx(1 / 300)


def test_a_space_in_which_everything_is_alike_finds_nothing():
    z = np.ones((20, 2, 4)) / 2
    keys = np.tile(np.arange(1, 21)[:, None], (1, 2))
    answer = ContrastiveAnswer(ContrastiveTarget(columns=["a", "b"]))
    assert (answer.ranks(z, keys) == 20).all()


def test_chance_is_what_a_random_order_gets():
    generator = np.random.default_rng(0)
    keys = np.stack([np.arange(40) + 1, generator.integers(1, 12, 40)], 1)
    keys[generator.random((40, 2)) < 0.15] = 0
    answer = ContrastiveAnswer(ContrastiveTarget(columns=["a", "b"]))
    told = answer.score(answer.ranks(np.zeros((40, 2, 4)), keys), keys)["pairs"]
    drawn = {name: {f"recall@{k}": [] for k in (1, 5, 10)} for name in told}
    for _ in range(400):
        z = generator.normal(size=(40, 2, 8))
        for name, pair in answer.score(answer.ranks(z, keys), keys)["pairs"].items():
            for k, values in drawn[name].items():
                values.append(pair[k])
    for name, by_depth in drawn.items():
        for k, values in by_depth.items():
            assert told[name]["chance"][k] == pytest.approx(np.mean(values), abs=0.015)
