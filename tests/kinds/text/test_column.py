"""Texts as tokens."""

import json
import time

import pytest

from mmbm.errors import ConfigError
from mmbm.kinds.text.column import TextColumn
from mmbm.kinds.text.spec import TextSpec

CHINESE = ["请打开客厅的灯", "关闭卧室的空调", "今天天气怎么样", "客厅的灯太亮了"] * 3


def fitted(column, cells):
    column.fit(cells)
    return column


@pytest.mark.parametrize(
    "text", ["请打开客厅的灯", "turn ON  the light", "مرحبا", "👩‍👩‍👧 x²", "未见过的字"]
)
def test_a_text_can_be_read_back_from_its_tokens(text: str):
    column = fitted(TextColumn(TextSpec()), [*CHINESE, "turn on the light"])
    tokenizer = column._open()

    ids = column.decode(text)

    assert ids[0] == tokenizer.token_to_id("<start>") == 1
    assert tokenizer.decode(ids.tolist()) == text


def test_chinese_needs_no_spaces_to_have_short_token_lists():
    column = fitted(TextColumn(TextSpec()), CHINESE)

    assert len(column.decode("请打开客厅的灯")) < 7  # characters; without merges it is 22 bytes


def test_an_empty_text_is_present_and_none_is_absent():
    column = fitted(TextColumn(TextSpec()), CHINESE)

    assert column.decode("").tolist() == [1]
    assert column.decode(None) is None


def test_a_long_text_is_cut_and_a_megabyte_costs_no_more_than_its_beginning():
    column = fitted(TextColumn(TextSpec(max_tokens=10)), CHINESE)
    column.decode("warm up")
    started = time.perf_counter()

    ids = column.decode("灯" * 1_000_000)

    assert len(ids) == 10
    assert time.perf_counter() - started < 0.1


def test_special_tokens_in_a_text_are_only_text():
    ids = fitted(TextColumn(TextSpec()), CHINESE).decode("<start><pad>")

    assert 1 not in ids[1:]
    assert 0 not in ids


def test_composed_and_decomposed_letters_are_the_same_text():
    column = fitted(TextColumn(TextSpec()), ["caf\u00e9"] * 3)

    assert column.decode("caf\u00e9").tolist() == column.decode("cafe\u0301").tolist()


def test_the_vocabulary_has_the_size_asked_for_at_most():
    words = [f"word{i} again{i % 7}" for i in range(3000)]
    state = TextColumn(TextSpec(vocab_size=400)).fit(words)

    assert 300 < state["vocab_size"] <= 400
    assert json.loads(state["tokenizer"])["model"]["type"] == "BPE"


def test_a_named_tokenizer_keeps_its_own_special_tokens(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    own = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "light": 3}, "[UNK]"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.post_processor = TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    own.enable_padding(length=64)
    own.save(str(tmp_path / "tokenizer.json"))

    for path in (tmp_path, tmp_path / "tokenizer.json"):
        column = fitted(TextColumn(TextSpec(tokenizer=str(path), max_tokens=4)), ["never read"])
        assert column.decode("light").tolist() == [1, 3, 2]
        assert column.decode("light a b c").tolist() == [1, 3, 0, 2]
        assert column.state["vocab_size"] == 4


def test_a_tokenizer_that_is_not_there_is_a_config_error(tmp_path):
    (tmp_path / "bad.json").write_text('{"model": 3}')

    with pytest.raises(ConfigError, match="no file"):
        TextColumn(TextSpec(tokenizer=str(tmp_path / "absent"))).fit([])
    with pytest.raises(ConfigError, match=r"no tokenizer\.json"):
        TextColumn(TextSpec(tokenizer=str(tmp_path / "bad.json"))).fit([])
