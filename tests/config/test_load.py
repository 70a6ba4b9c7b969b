"""The YAML surface: strings for components, nearest keys, overrides, paths."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mmbm.config import load as configfile
from mmbm.config.load import dump, load, parse
from mmbm.errors import ConfigError, MmbmError

SMALL = {
    "data": {"table": "a.csv"},
    "inputs": {"photo": {"kind": "image"}},
    "targets": {"label": {"kind": "category"}},
}


def test_a_string_stands_for_its_kind():
    short = parse({**SMALL, "inputs": {"photo": "image"}, "targets": {"label": "category"}})
    assert short == parse(SMALL)
    nested = parse({**SMALL, "inputs": {"t": {"kind": "text", "encoder": "transformer"}}})
    assert nested.inputs["t"].encoder.kind == "transformer"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trian": {}}, "unknown key 'trian'. Did you mean 'train'?"),
        ({"train": {"epohcs": 3}}, "unknown key 'train.epohcs'. Did you mean 'epochs'?"),
        ({"data": {"table": "a", "tabel": 1}}, "unknown key 'data.tabel'. Did you mean 'table'?"),
        ({"inputs": {"p": {"kind": "image", "sise": 3}}}, "'inputs.p.sise'. Did you mean 'size'?"),
        (
            {"inputs": {"p": {"kind": "image", "encoder": {"kind": "cnn", "widht": 3}}}},
            "unknown key 'inputs.p.encoder.widht'. Did you mean 'width'?",
        ),
        ({"inputs": {"p": "imgae"}}, "has no kind 'imgae'; it knows audio, category, date, image"),
        ({"fusion": "concatenate"}, "Did you mean 'concat'?"),
        ({"inputs": {"p": {"size": 3}}}, "'inputs.p' needs a kind"),
        ({"inputs": {"p": {"kind": "image", "size": "big"}}}, "inputs.p.size"),
        ({"data": {"table": "a", "split": 3}}, "data.split: Input should be a valid dictionary"),
        (
            {"data": {"table": "a", "split": {"valid": 0.5, "test": 0.5}}},
            "my.yaml: data.split: valid and test leave no rows to train on.",
        ),
        ({"data": {"table": "a", "delimiter": ";;"}}, "data.delimiter: String should have at most"),
        ({"targets": {"t": {"kind": "labels", "separator": ""}}}, "targets.t.separator: String"),
        ({"targets": {"error": "category"}}, "targets.error: answers have a column of this name"),
        (
            {"targets": {"t": "category", "t.confidence": "number"}},
            "targets.t.confidence: answers have a column of this name",
        ),
        ({"inputs": {"prior": "image"}}, "'prior' is what answers start from"),
        ({"train": {"lr": float("inf")}}, "train.lr: Input should be a finite number"),
        ({"train": {"epochs": 0}}, "train.epochs: Input should be greater than 0 (given: 0)"),
        ({"inputs": {"label": "number"}}, "'label' is an input and a target"),
        ({"inputs": {"a.keep": "number"}}, "can't end in .keep"),
        ({"inputs": {"table": "image", "n": "number"}}, "'table' is an input; name another"),
        (
            {"inputs": {"p": {"kind": "image", "share_weights_with": "q"}}},
            "no other input 'q' to share",
        ),
        (
            {
                "inputs": {
                    "p": "image",
                    "q": {"kind": "image", "size": 9, "share_weights_with": "p"},
                }
            },
            "differ in kind or options",
        ),
        ({"data": {"table": "a", "split": {"valid": 0.5, "test": 0.5}}}, "leave no rows"),
        ({"data": {"table": "a", "split": {"group": "g", "time": "t"}}}, "not both"),
        ({"inputs": {}}, "inputs"),
        ({"targets": {}}, "targets"),
    ],
)
def test_a_mistake_is_a_sentence_in_the_words_of_the_yaml(change, message):
    with pytest.raises(ConfigError) as error:
        parse({**SMALL, **change}, where="my.yaml")
    assert str(error.value).startswith("my.yaml: ")
    assert message in str(error.value)


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"'targets' is missing"):
        parse({key: SMALL[key] for key in ("data", "inputs")})


@pytest.mark.parametrize("raw", [None, 3, "text", []])
def test_something_else_than_keys_is_refused(raw):
    with pytest.raises(ConfigError, match="expected keys"):
        parse(raw)


def test_overrides_reach_any_depth_and_leave_the_rest():
    changed = parse(SMALL, overrides=["train.epochs=3", "inputs.photo.encoder.size=tiny"])
    assert changed.train.epochs == 3
    assert changed.inputs["photo"].encoder.size == "tiny"
    assert changed.train.batch_size == parse(SMALL).train.batch_size
    assert SMALL["inputs"]["photo"] == {"kind": "image"}, "the given data must not change"


@pytest.mark.parametrize("override", ["train.epochs", "=3", "train.epochs=[", ""])
def test_a_broken_override_is_explained(override):
    with pytest.raises(ConfigError, match="--set"):
        parse(SMALL, overrides=[override])


def test_paths_are_relative_to_the_file_that_names_them(tmp_path):
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "c.yaml").write_text(yaml.safe_dump({**SMALL, "data": {"table": "../t/a.csv"}}))
    config = configfile.load(folder / "c.yaml")
    assert config.data.table == str(tmp_path / "t" / "a.csv")
    assert config.data.root == str(tmp_path / "t")


def test_a_dumped_config_reads_back_equal():
    config = parse(SMALL)
    assert parse(yaml.safe_load(dump(config))) == config


@pytest.mark.parametrize("text", ["a: [", "\t- x", "a: b: c"])
def test_broken_yaml_names_the_file(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        configfile.load(tmp_path / "c.yaml")


def test_a_missing_config_says_how_to_write_one(tmp_path):
    with pytest.raises(ConfigError, match="mmbm init"):
        configfile.load(tmp_path / "no.yaml")


def test_table_columns_form_one_modality_and_media_their_own():
    config = parse(
        {
            **SMALL,
            "inputs": {
                "photo": "image",
                "age": "number",
                "town": "category",
                "x": {"kind": "number", "group": "sensors"},
            },
        }
    )
    assert config.modalities() == {
        "photo": ["photo"],
        "table": ["age", "town"],
        "sensors": ["x"],
    }


def test_a_modality_that_is_hidden_in_training_must_be_there():
    drop = {**SMALL, "fusion": {"modality_dropout": {"tabel": 0.5}}}
    with pytest.raises(ConfigError, match=r"fusion\.modality_dropout: 'tabel' is no modality"):
        parse(drop)


WORDS = st.sampled_from(
    ["model", "messages", "role", "user", "content", "type", "text", "image_url", "url", "input",
     "row", "stream", "n", "response_format", "json_schema", "schema", "name", "logprobs"]
)  # fmt: skip
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=9),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS, inside, max_size=5),
    max_leaves=20,
)


@given(st.binary(max_size=300) | BODIES.map(lambda x: yaml.safe_dump(x).encode()))
def test_a_config_is_read_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(content)
    with pytest.raises(MmbmError):
        configfile.load(path)


def test_a_key_that_stands_twice_in_a_config_is_refused_with_its_line(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("data: {table: t.csv}\ninputs:\n  a: {kind: text}\n  a: {kind: number}\n")
    with pytest.raises(ConfigError, match="line 4: the key 'a' is there already, in line 3"):
        load(path)
