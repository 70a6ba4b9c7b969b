"""Text, numbers, categories and labels: what each spelling means."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.category.column import CategoryColumn, name
from mmbm.kinds.category.spec import CategorySpec
from mmbm.kinds.labels.column import LabelsColumn
from mmbm.kinds.labels.spec import LabelsSpec
from mmbm.kinds.number.column import NumberColumn, parse
from mmbm.kinds.number.spec import NumberSpec
from mmbm.kinds.text.column import TextColumn
from mmbm.kinds.text.spec import TextSpec

CHINESE = ["请打开客厅的灯", "关闭卧室的空调", "今天天气怎么样", "客厅的灯太亮了"] * 3


def fitted(column, cells):
    column.fit(cells)
    return column


# ── text ─────────────────────────────────────────────────────────────────────────────────────────


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


def test_columns_import_neither_torch_nor_tokenizers_until_needed():
    code = (
        "import sys, mmbm.kinds.text.column, mmbm.kinds.image.column, mmbm.kinds.audio.column; "
        "import mmbm.data.table, mmbm.data.split, mmbm.init; "
        "print([m for m in ('torch', 'pandas', 'sklearn', 'tokenizers', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# ── number ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (3, 3.0),
        ("3", 3.0),
        (" -2.5e-3 ", -0.0025),
        ("+.5", 0.5),
        (True, 1.0),
        ("1,234.5", 1234.5),
        ("-1,234,567", -1234567.0),
        (b"7", 7.0),
        (None, None),
        ("", None),
        ("NA", None),
        ("nan", None),
        (float("nan"), None),
        ("NULL", None),
    ],
)
def test_a_number_has_one_reading(cell, value):
    assert parse(cell) == value


@pytest.mark.parametrize(
    "cell",
    ["1,234", "1.234,5", "12,34", "1_000", "0x1f", "5%", "ten", "inf", "1e999", 10**400, [1]],
)
def test_what_has_two_readings_or_none_is_a_bad_cell(cell):
    with pytest.raises(BadCell):
        parse(cell)


def test_statistics_agree_with_numpy_and_pass_over_bad_cells():
    values = np.random.default_rng(0).normal(5, 3, 30_000)

    state = NumberColumn(NumberSpec(bins=4)).fit([*values, "bad", None])

    assert state["count"] == 30_000
    assert state["mean"] == pytest.approx(values.mean())
    assert state["std"] == pytest.approx(values.std())
    assert state["edges"] == pytest.approx(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    assert (state["minimum"], state["maximum"]) == (values.min(), values.max())


def test_quantiles_of_a_long_column_are_close_though_few_values_are_kept():
    state = NumberColumn(NumberSpec(bins=10)).fit(iter(range(400_000)))

    assert np.abs(np.array(state["edges"]) / 400_000 - np.linspace(0, 1, 11)).max() < 0.01


def test_a_constant_and_an_empty_column_have_a_usable_state():
    constant = NumberColumn(NumberSpec()).fit([7.1] * 100)
    empty = NumberColumn(NumberSpec()).fit([None, "bad"])

    assert (constant["mean"], constant["std"]) == (pytest.approx(7.1), 1.0)
    assert (empty["mean"], empty["std"], empty["count"]) == (0.0, 1.0, 0)
    for state in (constant, empty):
        assert len(state["edges"]) >= 2
        assert np.diff(state["edges"]).min() > 0


def test_log_keeps_the_sign_and_the_statistics_are_of_the_logarithms():
    column = NumberColumn(NumberSpec(log=True))
    state = column.fit([0, 99, 9999])

    assert column.decode(-99) == pytest.approx(-np.log(100))
    assert state["mean"] == pytest.approx((np.log(100) + np.log(10000)) / 3)
    assert (state["minimum"], state["maximum"]) == (0, 9999)


def test_an_empty_cell_is_bad_where_missing_is_false():
    with pytest.raises(BadCell, match="missing is false"):
        NumberColumn(NumberSpec(missing=False)).decode("")


# ── category ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (3, "3"),
        (3.0, "3"),
        ("3", "3"),
        ("3.0", "3"),
        ("007", "007"),
        (2.5, "2.5"),
        (True, "true"),
        ("True", "true"),
        ("  red ", "red"),
        ("cafe\u0301", "caf\u00e9"),
        ("NA", "NA"),  # Namibia
        ("", None),
        (float("nan"), None),
        (1e300, "1e+300"),
    ],
)
def test_one_value_has_one_name(cell, value):
    assert name(cell) == value


def test_values_are_numbered_by_name_from_one_and_zero_is_unseen():
    column = fitted(CategoryColumn(CategorySpec()), ["b", "a", "b", None])

    assert column.state == {"values": ["a", "b"], "counts": [1, 2], "rare": 0}
    assert [int(column.decode(c)) for c in ("a", "b", "new")] == [1, 2, 0]
    assert column.decode("") is None


def test_rare_values_are_one_with_unseen_ones():
    column = fitted(CategoryColumn(CategorySpec(min_count=2)), ["a", "a", "b", "c"])

    assert column.state == {"values": ["a"], "counts": [2], "rare": 2}
    assert int(column.decode("b")) == 0


def test_an_identifier_is_refused_as_a_category():
    with pytest.raises(ConfigError, match="looks like text or an identifier"):
        CategoryColumn(CategorySpec(max_values=100)).fit(map(str, range(10**9)))


def test_a_form_lists_a_hundred_choices_at_most():
    few = fitted(CategoryColumn(CategorySpec()), ["a", "b"]).describe()
    many = fitted(CategoryColumn(CategorySpec()), range(500)).describe()

    assert few.schema["enum"] == ["a", "b"]
    assert "enum" not in many.schema
    assert len(many.schema["examples"]) == 100


# ── labels ───────────────────────────────────────────────────────────────────────────────────────


def test_labels_come_from_text_or_lists_and_unseen_ones_are_ignored():
    column = fitted(LabelsColumn(LabelsSpec()), ["wet; cold", ["wet"], "", None])

    assert column.state == {"values": ["cold", "wet"], "counts": [1, 2], "rows": 3}
    assert column.decode("wet;dry").tolist() == [0, 1]
    assert column.decode(["cold", "wet", "wet"]).tolist() == [1, 1]


def test_no_labels_is_not_the_same_as_no_answer():
    column = fitted(LabelsColumn(LabelsSpec()), ["a"])

    assert column.decode("").tolist() == [0]
    assert column.decode([]).tolist() == [0]
    assert column.decode(None) is None


def test_rare_labels_are_left_out():
    column = fitted(LabelsColumn(LabelsSpec(min_count=2, separator="|")), ["a|b", "a"])

    assert column.storage.shape == (1,)
    assert column.decode("a|b").tolist() == [1]
