"""Options of a pretrained encoder that cannot be are said by the config."""

import backbones
import pytest
import tiny

from mmbm.config import load as configfile
from mmbm.errors import ConfigError


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return "bert", backbones.make("bert", tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("tiny"), rows=64)


@pytest.mark.parametrize("tune", ["last", "last:0", "most"])
def test_an_unknown_tune_is_said(bert, table, tune):
    with pytest.raises(ConfigError, match=r"inputs\.remark\.encoder\.tune"):
        configfile.parse(backbones.config(table, bert[1], "text", {"tune": tune}))


@pytest.mark.parametrize(
    "option", [{"tokenizer": "t.json"}, {"lowercase": True}, {"augment": {"token_dropout": 0.5}}]
)
def test_what_a_model_brings_itself_is_not_said_again(bert, table, option):
    made = backbones.config(table, bert[1], "text")
    made["inputs"]["remark"].update(option)
    with pytest.raises(
        ConfigError, match=f"{next(iter(option))}: a pretrained encoder has its own"
    ):
        configfile.parse(made)


@pytest.mark.parametrize("kind", ["text", "image"])
def test_what_only_a_sound_has_is_refused(tmp_path, kind):
    made = backbones.config(tmp_path / "t.csv", tmp_path / "model", kind, {"pad_to_seconds": 2})
    with pytest.raises(
        ConfigError, match=r"encoder\.pad_to_seconds: only sounds are filled with silence"
    ):
        configfile.parse(made)
