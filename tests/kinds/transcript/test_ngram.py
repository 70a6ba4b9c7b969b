"""A language model of tokens: probabilities of what may follow."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest

from mmbm.config import TranscriptTarget
from mmbm.kinds.transcript.column import TranscriptColumn, ngrams
from mmbm.kinds.transcript.ngram import NGram

T, V = 5, 3


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


@pytest.mark.parametrize("tokenizer", ["char", "bpe"])
def test_texts_are_learned_from_without_holding_them_as_python_objects(tokenizer):
    def texts(count):
        return (f"row number {i} says that {i % 7} is of {i % 11}" for i in range(count))

    spec = TranscriptTarget(
        input="speech", tokenizer=tokenizer, vocab_size=40, beam_size=2, ngram_order=2
    )
    column = TranscriptColumn(spec)
    column.fit(texts(200))  # what is imported once
    bytes_of = sum(len(text.encode()) for text in texts(20_000))
    tracemalloc.start()
    state = column.fit(texts(20_000))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 * bytes_of  # as strings and lists of ids 14 times
    ids = [column.decode(text).tolist() for text in texts(20_000)]
    counts = Counter(token for one in ids for token in one)
    assert state["counts"] == [counts[i] for i in range(len(state["values"]))]
    assert state["ngrams"] == ngrams(ids, 2)
