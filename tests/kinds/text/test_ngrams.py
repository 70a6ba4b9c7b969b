"""Texts as words, pairs of words and n-grams of characters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.errors import ConfigError
from mmbm.kinds.text.column import TextColumn
from mmbm.kinds.text.ngrams import learn, terms
from mmbm.kinds.text.spec import TextSpec

SPEC = TextSpec(tokenizer="ngram", encoder={"kind": "bag"}, lowercase=True, vocab_size=2000,
                max_tokens=400)  # fmt: skip
TEXTS = ["Really comfortable shirt", "comfortable and soft", "not comfortable", "这件衬衫很舒服"]


def fitted():
    column = TextColumn(SPEC)
    return TextColumn(SPEC, column.fit(TEXTS))


def test_a_word_gives_itself_its_pair_and_its_n_grams():
    found = list(terms("No cat", lowercase=True))
    assert found[:2] == ["no", "\t n"]
    assert "no cat" in found
    assert "\tcat " in found
    assert "\t ca" in found


def test_every_chinese_character_is_a_word():
    assert [t for t in terms("很舒服", False) if " " not in t] == ["很", "舒", "服"]
    assert "舒 服" in set(terms("很舒服", False))


def test_a_word_that_training_never_saw_shares_n_grams_with_one_it_did():
    column = fitted()
    seen, unseen = set(column.decode("comfortable")), set(column.decode("uncomfortably"))
    assert len(seen & unseen) > 10


def test_a_term_of_one_text_is_kept_only_where_texts_are_few():
    many = [f"common word{i}" for i in range(60)]
    kept = learn(many, True, 1000)
    assert "common" in kept
    assert "word7" not in kept
    assert "word7" in learn(many[:20], True, 1000)


def test_the_vocabulary_is_bounded_and_has_what_most_texts_have():
    assert learn(["a b", "a c", "a d"], True, 1) == ["a"]
    assert max(fitted().decode(" ".join(TEXTS))) < fitted().state["vocab_size"] <= SPEC.vocab_size


@given(st.text(max_size=300))
def test_any_text_has_bounded_ids_also_after_its_state_was_saved(text):
    ids = COLUMN.decode(text)
    assert ids.dtype == np.int32
    assert 1 <= len(ids) <= SPEC.max_tokens
    assert ids[0] == 1
    assert set(ids[1:].tolist()) <= set(range(2, COLUMN.state["vocab_size"]))


COLUMN = fitted()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": {"kind": "rnn"}}, "no order of words"),
    ],
)
def test_what_can_not_read_n_grams_is_said(options, message):
    with pytest.raises((ConfigError, ValueError), match=message):
        TextSpec(tokenizer="ngram", **options)
