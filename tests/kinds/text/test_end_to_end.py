"""A written text on all its way: table, config, training, bundle, prediction, server, export."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
import resuming
import told
from safetensors.numpy import load_file, save_file
from servers import serving

import mmbm
from mmbm.bundle.manifest import MANIFEST
from mmbm.bundle.writer import seal
from mmbm.config import load as configfile
from mmbm.errors import BadCell, BundleError, ConfigError, MmbmError, TableError
from mmbm.export.verify import TOLERANCES, batches, golden
from mmbm.inference.generation import TextGenerator
from mmbm.inference.predict import batched
from mmbm.inference.runners import difference, flatten, units
from mmbm.kinds.text.answer import Pieces


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return told.make(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def bundle(table, tmp_path_factory):
    return mmbm.train(told.config(table), run=tmp_path_factory.mktemp("runs") / "told")


@pytest.fixture(scope="module")
def rows(table):
    """The rows of the test split."""
    with table.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "test"]


def asked(row):
    return {name: row[name] for name in ("photo", "number", "question")}


def test_it_learns_to_answer_in_sentences_of_two_languages(bundle):
    report = bundle.metrics["test"]
    scores = report["targets"]["answer"]
    low, high = scores["interval"]
    assert 0.75 < low <= scores["exact_match"] <= high
    assert scores["exact_match"] <= scores["token_accuracy"]
    assert 0.9 < scores["bleu"] <= scores["chrf"] + 0.05
    parts = {name: told["answer"] for name, told in report["subsets"].items()}
    assert max(parts["photo"], parts["table"], parts["question"]) < 0.6  # one alone can't tell


def test_metrics_are_those_of_the_texts_that_predict_gives(bundle, table, rows):
    import sacrebleu

    said = [a["answer"] for a in bundle.predict([asked(r) for r in rows], root=table.parent)]
    right = [row["answer"] for row in rows]
    scores = bundle.evaluate(table)["targets"]["answer"]
    assert scores["exact_match"] == np.mean([a == b for a, b in zip(said, right)])
    assert scores["chrf"] == pytest.approx(sacrebleu.corpus_chrf(said, [right]).score / 100)
    bleu = sacrebleu.corpus_bleu(said, [right], tokenize="zh").score / 100
    assert scores["bleu"] == pytest.approx(bleu)


def test_padding_and_neighbours_change_no_text(bundle, table, rows):
    together = bundle.predict([asked(row) for row in rows], root=table.parent)
    for row, expected in zip(rows[:6], together):
        (alone,) = bundle.predict(asked(row), root=table.parent)
        assert alone["answer"] == expected["answer"]
        assert alone["answer.confidence"] == pytest.approx(expected["answer.confidence"], abs=1e-4)


def test_a_text_can_be_read_while_it_is_written(bundle, table, rows):
    for row in rows[:8]:
        (whole,) = bundle.predict(asked(row), root=table.parent)
        pieces = list(
            bundle.generate_stream({**asked(row), "photo": str(table.parent / row["photo"])})
        )
        assert "".join(pieces) == whole["answer"]
        assert len(pieces) > 1
        assert "\ufffd" not in "".join(pieces)
    with pytest.raises(MmbmError, match="'reply' is no text to write; there are: answer"):
        list(bundle.generate_stream({}, "reply"))


def test_a_character_of_several_tokens_comes_as_one_piece(bundle):
    column = bundle.columns["answer"]
    text = "看😀!"  # neither is in the tokenizer as a whole
    pieces = Pieces(column)
    said = [pieces.add(token) for token in [*column.tokens(text), 0]]
    assert "".join(said) == text
    assert "" in said
    assert all("\ufffd" not in piece for piece in said)


def test_any_text_survives_its_tokens(bundle):
    column = bundle.columns["answer"]
    for text in ("a  b", "tab\there", "Ünïcode 混合 😀", "x", "新\n行"):
        ids = column.decode(text) if len(text) < 8 else [1, *column.tokens(text), 0]
        assert column.text(ids[1:-1]) == text


def test_contributions_say_what_the_text_needs(bundle, table, rows):
    row = next(row for row in rows if row["question"] == "What colour?")
    (said,) = bundle.predict(asked(row), root=table.parent, explain=True)
    parts = [said[f"answer.attribution.{name}"] for name in ("prior", "photo", "table", "question")]
    assert sum(parts) == pytest.approx(1)
    assert said["answer.attribution.question"] > said["answer.attribution.table"]


def test_golden_texts_are_verified_word_by_word(bundle, tmp_path):
    assert bundle.verify() == 4
    copy = shutil.copytree(bundle.path, tmp_path / "bundle")
    answers = load_file(copy / "golden/answers.safetensors")
    answers["answer"][0, 0, 0] += 1
    save_file(answers, copy / "golden/answers.safetensors")
    tolerance = bundle.bundle.manifest["tolerance"]
    (copy / MANIFEST).unlink()
    seal(copy, bundle.config, tolerance)
    with pytest.raises(BundleError, match=r"'answer' moved by 1, tolerance"):
        mmbm.load(copy, verify=True)


def test_it_predicts_and_evaluates_without_torch(bundle, table):
    code = f"""
import sys, mmbm
bundle = mmbm.load({str(bundle.path)!r}, verify=True)
rows = bundle.predict({str(table)!r}, explain=True)
assert len(rows) == 360 and all(row["error"] is None for row in rows)
assert bundle.evaluate({str(table)!r})["targets"]["answer"]["exact_match"] > 0.8
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_served_as_the_bundle_answers(bundle, table, rows, tmp_path):
    row = {**asked(rows[0]), "photo": (table.parent / rows[0]["photo"]).read_bytes()}
    (expected,) = bundle.predict(row)
    files = {"photo": ("a.png", row["photo"])}
    with serving(tmp_path, bundle.path) as server:
        said = server.post(
            "/predict", files=files, data={k: row[k] for k in ("number", "question")}
        )
        answer = said.json()["answer"]
        assert answer["answer"] == expected["answer"]
        confidence = expected["answer.confidence"]
        assert answer["answer.confidence"] == pytest.approx(confidence, abs=1e-4)
        bad = server.post("/predict", files={"photo": ("a.png", b"no picture")})
        assert bad.status_code == 422
        assert isinstance(server.post("/predict", {}).json()["answer"]["answer"], str)


@pytest.mark.parametrize(("to", "precision"), [("openvino", "float32"), ("onnx", "float16")])
def test_an_export_writes_the_same(bundle, tmp_path, to, precision):
    made = mmbm.load(bundle.export(to, tmp_path / "out", precision=precision).path, verify=True)
    unit = units(bundle.config, bundle.columns)["answer"]
    for label, some in batches(bundle, golden(bundle)):
        arrays = flatten(batched(bundle, some), bundle.columns)
        ours, theirs = (
            one.runner.run("answer", one.runner.run("encode", arrays))["answer"]
            for one in (bundle, made)
        )
        assert difference(unit, ours, theirs) <= TOLERANCES[precision], label


@pytest.mark.parametrize(("to", "name"), [("litert", "out"), ("onnx", "model.onnx")])
def test_a_format_that_holds_no_growing_text_is_refused_by_name(bundle, tmp_path, to, name):
    with pytest.raises(MmbmError, match="'answer' is written token by token"):
        bundle.export(to, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_stopped_and_resumed_run_ends_with_the_same_weights(table, tmp_path, monkeypatch):
    resuming.assert_resumes(told.config(table, epochs=2), tmp_path, monkeypatch, 11)


@pytest.mark.slow
def test_it_goes_with_other_targets_and_in_chunks(table, tmp_path):
    config = told.config(table, epochs=1, micro_batch_size=4)
    config["targets"]["number"] = {"kind": "category"}
    del config["inputs"]["number"]
    bundle = mmbm.train(config, run=tmp_path / "run")
    (answer,) = bundle.predict({})
    assert isinstance(answer["answer"], str)
    assert answer["number"] in ("one", "two", "three")
    assert set(bundle.metrics["test"]["targets"]) == {"answer", "number"}


# ── how it is written ────────────────────────────────────────────────────────────────────────────


def test_drawn_texts_are_the_same_in_any_batch_and_others_with_another_seed(bundle, table, rows):
    spec = bundle.config.targets["answer"]
    runner = bundle.runner.runner

    def draw(seed, some):
        texts = {"answer": spec.model_copy(update={"temperature": 4.0, "seed": seed})}
        cells = [
            {**asked(row), "photo": (table.parent / row["photo"]).read_bytes()} for row in some
        ]
        from mmbm.inference.predict import decode_row, encode

        encoded = encode(bundle, [decode_row(bundle, cell, None) for cell in cells])
        return bundle.answers["answer"].read(
            TextGenerator(runner, texts).run("answer", encoded)["answer"]
        )

    together = draw(7, rows[:4])
    assert [draw(7, [row])[0] for row in rows[:4]] == list(together)
    assert any((draw(seed, rows[:4]) != together).any() for seed in range(3))


# ── what cannot be ───────────────────────────────────────────────────────────────────────────────


def test_a_text_that_is_too_long_is_a_bad_cell_and_never_cut(bundle, table, tmp_path):
    column = bundle.columns["answer"]
    with pytest.raises(BadCell, match=r"has \d+ tokens, more than max_tokens: 24"):
        column.decode("They are red. " * 9)
    with pytest.raises(BadCell, match="characters"):
        column.decode("x" * 10_000)
    config = told.config(table, epochs=1)
    config["targets"]["answer"]["max_tokens"] = 4
    config["data"]["bad_cells"] = "stop"
    with pytest.raises(TableError, match="more than max_tokens: 4"):
        mmbm.train(config, run=tmp_path / "run")
    lines = (tmp_path / "run" / "quarantine.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam_size": 4, "temperature": 1.0}, "beam_size or temperature"),
        ({"decoder": {"size": "huge"}}, r"targets\.answer\.decoder\.size"),
        ({"top_p": 0}, "top_p"),
    ],
)
def test_what_cannot_be_is_said_by_the_config(table, change, message):
    config = told.config(table)
    config["targets"]["answer"] |= change
    with pytest.raises(ConfigError, match=message):
        configfile.parse(config)


def test_rows_are_not_blended_for_a_text(table):
    config = told.config(table, mixup="manifold")
    with pytest.raises(ConfigError, match="two rows can't be blended for 'answer', a text"):
        configfile.parse(config)


def test_models_of_folds_have_no_mean_text(table):
    config = told.config(table)
    config["data"]["split"] = {"folds": 3, "then": "ensemble"}
    with pytest.raises(ConfigError, match="have no mean; use then: all"):
        configfile.parse(config)


def test_init_writes_a_config_for_a_text_when_asked(table, tmp_path):
    from mmbm.data.table import open_table
    from mmbm.init import infer, to_yaml

    found = infer(open_table(table), [], texts=["answer"])
    (tmp_path / "config.yaml").write_text(to_yaml(found, tmp_path / "config.yaml"))
    config = configfile.load(tmp_path / "config.yaml")
    longest = max(len(row["answer"].encode()) for row in csv.DictReader(table.open()))
    assert config.targets["answer"].max_tokens >= longest
    assert config.fusion.kind == "transformer"
    assert list(config.inputs) == ["photo", "number", "question"]
