"""A pretrained language model as the decoder of a text: kept, served and trained in part."""

import csv
import json
import shutil

import numpy as np
import pytest
import resuming
import told
import torch
import writers
from safetensors.numpy import load_file

import mmbm
from mmbm.config import load as configfile
from mmbm.errors import ConfigError
from mmbm.kinds.text.column import END_ID, OURS, START_ID, TextColumn
from mmbm.kinds.text.spec import PretrainedDecoderSpec, TextTarget
from mmbm.layers.batch import Tokens
from mmbm.nn.decoders.pretrained import PretrainedDecoder

KINDS = ("gpt2", "llama", "qwen2", "gemma2")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return told.make(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return writers.make("llama", tmp_path_factory.mktemp("models") / "llama")


def config(table, folder, more=None, **train):
    made = told.config(table, **train)
    decoder = {"kind": "pretrained", "model": str(folder), **(more or {})}
    made["targets"]["answer"] = {"kind": "text", "max_tokens": 40, "decoder": decoder}
    return made


def column(folder) -> TextColumn:
    made = TextColumn(TextTarget(decoder=PretrainedDecoderSpec(model=str(folder)), max_tokens=40))
    made.fit([])
    return made


def decoder(folder, **more) -> PretrainedDecoder:
    spec = PretrainedDecoderSpec(model=str(folder), **more)
    torch.manual_seed(0)
    return PretrainedDecoder(spec, column(folder).state)


@pytest.fixture(scope="module")
def bundle(table, llama, tmp_path_factory):
    """Trained from a folder that is gone by now."""
    gone = shutil.copytree(llama, tmp_path_factory.mktemp("gone") / "llama")
    made = config(table, gone, {"frozen": False})
    run = tmp_path_factory.mktemp("runs") / "llama"
    trained = mmbm.train(made, run=run)
    shutil.rmtree(gone)
    return trained


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_in_parts_gets_the_probabilities_of_the_model_itself(kind, tmp_path):
    writer = decoder(writers.make(kind, tmp_path / kind)).eval()
    embed = writer.body.get_input_embeddings()
    text = torch.tensor([[7, 8, 9]])
    x = embed(torch.tensor([[30, 31, 32, 33]]))
    with torch.no_grad():
        whole = [writer.opening, torch.tensor([30, 33]), writer.closing, writer.codes[text[0]]]
        own = writer.body(inputs_embeds=embed(torch.cat(whole))[None]).logits[0, -1].softmax(-1)
        real = torch.tensor([[True, False, False, True]])
        cache, keep = writer.read(Tokens(x / writer.scale, real))
        logits, _ = writer.write(cache, keep, text, torch.arange(3))
    p = logits[0, -1].softmax(-1)
    end = int(writer.codes[END_ID])
    assert p[START_ID] == p[OURS + end] == 0  # written under the ids of a text column alone
    assert torch.allclose(p[END_ID], own[end], atol=1e-5)
    others = torch.arange(len(own)) != end
    assert torch.allclose(p[OURS:][others], own[others], atol=1e-5)


def test_its_chat_template_is_around_what_it_is_asked(llama, tmp_path):
    known = column(llama).state["pretrained"]
    assert known["opening"] == [2]  # <user>
    assert (known["closing"], known["start"], known["end"]) == ([0], 3, 0)  # <end>, then <bot>
    plain = column(writers.make("llama", tmp_path / "plain", chat=False)).state["pretrained"]
    assert (plain["opening"], plain["closing"], plain["start"]) == ([], [], 1)  # <begin>


def test_a_text_survives_the_tokenizer_of_the_model(llama):
    made = column(llama)
    for text in (*writers.TEXTS, "<end> is only text", "🙂 é", ""):
        ids = made.decode(text)
        assert (ids[0], ids[-1]) == (START_ID, END_ID)
        assert min(ids[1:-1], default=OURS) >= OURS
        assert made.text(ids[1:-1]) == text


def test_it_learns_to_answer_and_its_bundle_stands_alone(bundle, table):
    assert bundle.metrics["test"]["targets"]["answer"]["exact_match"] > 0.75
    assert bundle.verify() == 4
    assert bundle.config.targets["answer"].decoder.model is None
    with table.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"][:9]
    asked = [{name: row[name] for name in ("photo", "number", "question")} for row in rows]
    together = bundle.predict(asked, root=table.parent)
    alone = [bundle.predict(row, root=table.parent)[0]["answer"] for row in asked]
    assert [answer["answer"] for answer in together] == alone
    assert (
        "".join(bundle.generate_stream({**asked[0], "photo": table.parent / asked[0]["photo"]}))
        == alone[0]
    )


@pytest.mark.slow
def test_a_stopped_and_resumed_run_ends_with_the_same_weights(table, llama, tmp_path, monkeypatch):
    made = config(table, llama, {"lora": {"rank": 2}}, epochs=2)
    resuming.assert_resumes(made, tmp_path, monkeypatch, steps=20)


@pytest.mark.slow
def test_first_the_bridge_then_lora(table, llama, tmp_path):
    before = load_file(llama / "model.safetensors")
    first = mmbm.train(config(table, llama, epochs=1), run=tmp_path / "bridge")
    second = mmbm.train(
        config(table, llama, {"lora": {"rank": 4}, "lr": 0.002}, epochs=1),
        run=tmp_path / "lora", start=first.path,
    )  # fmt: skip
    changed = {}
    for name, bundle in (("bridge", first), ("lora", second)):
        weights = load_file(bundle.path / "weights.safetensors")
        body = {n.partition(".body.")[2]: w for n, w in weights.items() if ".body." in n}
        assert before.keys() <= body.keys()  # plain weights, whatever was added to them meanwhile
        changed[name] = {n for n in before if not np.array_equal(before[n], body[n])}
    assert changed["bridge"] == set()
    assert {n.split(".")[-2] for n in changed["lora"]} == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    }  # fmt: skip


def edit(name, **changes):
    def change(folder):
        told = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**told, **changes}))

    return change


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("bloom", lambda f: None, "a 'bloom' model can't be told which of its tokens are real"),
        ("llama", edit("config.json", model_type="bert2"), "'bert2' model, which is no causal"),
        ("llama", lambda f: (f / "config.json").unlink(), "has no config.json"),
        ("llama", lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json"),
        ("llama", lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors"),
        ("llama", edit("tokenizer_config.json", eos_token=None), "names no eos_token"),
        ("llama", edit("config.json", vocab_size=200), "are not of the same model"),
        ("llama", edit("config.json", max_position_embeddings=12), "has 12 places, and a row has"),
    ],
)
def test_a_folder_that_cannot_write_is_said(kind, change, message, table, tmp_path):
    folder = writers.make(kind, tmp_path / "model")
    change(folder)
    with pytest.raises(ConfigError, match=message):
        mmbm.train(config(table, folder, epochs=1), run=tmp_path / "run")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"lora": {"rank": 4}, "frozen": False}, "lora: is for a model that is frozen"),
        ({"lr": 0.1}, "nothing of a frozen decoder is trained"),
        ({"size": "tiny"}, "unknown key 'targets.answer.decoder.size'"),
    ],
)
def test_what_cannot_be_is_said_by_the_config(table, llama, more, message):
    with pytest.raises(ConfigError, match=message):
        configfile.parse(config(table, llama, more))


def test_its_own_tokens_are_not_said_again(table, llama):
    made = config(table, llama)
    made["targets"]["answer"]["vocab_size"] = 400
    with pytest.raises(ConfigError, match="vocab_size: a pretrained decoder has its own"):
        configfile.parse(made)
