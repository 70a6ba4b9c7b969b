"""A transcript on all its way: table, config, training, bundle, prediction, server, export."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet
import pytest
import resuming
import spoken
from safetensors.numpy import load_file
from servers import serving

import mmbm
from mmbm.config import load as configfile
from mmbm.errors import BundleError, ConfigError, TableError
from mmbm.export.verify import TOLERANCES, batches, golden
from mmbm.inference.output import write_rows
from mmbm.inference.predict import batched
from mmbm.inference.runners import farthest, flatten


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return spoken.make(tmp_path_factory.mktemp("spoken"))


@pytest.fixture(scope="module")
def bundle(table, tmp_path_factory):
    return mmbm.train(spoken.config(table), run=tmp_path_factory.mktemp("runs") / "spoken")


@pytest.fixture(scope="module")
def told(table):
    """The rows of the test split."""
    with table.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "test"]


def test_it_learns_to_read_what_is_said(bundle):
    scores = bundle.metrics["test"]["targets"]["words"]
    assert scores["cer"] < 0.05
    low, high = scores["interval"]
    assert low <= scores["wer"] <= high < 0.3
    low, high = scores["cer_interval"]
    assert low <= scores["cer"] <= high < 0.1


def test_rates_are_errors_by_what_was_to_be_said(bundle, table, told):
    said = bundle.predict([{"speech": row["speech"]} for row in told], root=table.parent)
    import jiwer

    right, heard = [row["words"] for row in told], [row["words"] for row in said]
    scores = bundle.evaluate(table)["targets"]["words"]
    assert scores["wer"] == pytest.approx(jiwer.wer(right, heard))
    assert scores["cer"] == pytest.approx(jiwer.cer(right, heard))
    assert scores["accuracy"] == np.mean([a == b for a, b in zip(right, heard)])


def test_words_lie_in_the_sound_in_their_order(bundle, table, told):
    row = max(told, key=lambda row: row["words"].count(" "))
    (answer,) = bundle.predict({"speech": row["speech"]}, root=table.parent)
    times = answer["words.times"]
    assert [one["word"] for one in times] == answer["words"].split()
    assert answer["words"] == row["words"]
    start = 0
    for one in times:
        place = row["words"].index(one["word"], start)
        start = place + len(one["word"])
        assert one["start"] == pytest.approx(place * spoken.SECONDS, abs=0.09)
        assert one["end"] == pytest.approx(start * spoken.SECONDS, abs=0.09)


def test_a_sound_that_is_absent_says_nothing_rather_than_silence(bundle):
    (answer,) = bundle.predict({})
    assert answer["words"] is None
    assert answer["words.confidence"] == 0
    assert answer["words.times"] == []
    (unsure,) = bundle.predict({}, abstain_below=0.5)
    assert unsure["words"] == "not sure"


def test_contributions_are_the_probability_of_the_text(bundle, table, told):
    (answer,) = bundle.predict({"speech": told[0]["speech"]}, root=table.parent, explain=True)
    assert answer["words.attribution.prior"] == 0
    assert answer["words.attribution.speech"] == pytest.approx(answer["words.confidence"])


def test_a_character_that_training_has_not_seen_is_an_error(bundle, table, told):
    rows = {"speech": [row["speech"] for row in told], "words": ["ü" for _ in told]}
    import pandas

    report = bundle.evaluate(
        pandas.DataFrame({**rows, "speech": [str(table.parent / s) for s in rows["speech"]]}), None
    )
    scores = report["targets"]["words"]
    assert scores["unknown_characters"] == len(told)
    assert scores["accuracy"] == 0
    assert scores["cer"] >= 1


def test_padding_and_neighbours_change_no_answer(bundle, table, told):
    cells = [{"speech": row["speech"]} for row in told]
    together = bundle.predict(cells, root=table.parent)
    for cell, expected in zip(cells[:5], together):
        (alone,) = bundle.predict(cell, root=table.parent)
        assert alone["words"] == expected["words"]
        assert alone["words.times"] == expected["words.times"]
        assert alone["words.confidence"] == pytest.approx(expected["words.confidence"], abs=1e-4)


def test_golden_rows_of_different_lengths_are_verified(bundle, tmp_path):
    assert bundle.verify() == 4
    _, expected = bundle.bundle.golden()
    assert expected["words"].ndim == 3
    assert len({int((row.sum(-1) > 0.5).sum()) for row in expected["words"]}) > 1
    copy = shutil.copytree(bundle.path, tmp_path / "bundle")
    moved = load_file(copy / "golden/answers.safetensors")
    moved["words"][0, 0, 0] -= 0.01
    from safetensors.numpy import save_file

    save_file(moved, copy / "golden/answers.safetensors")
    with pytest.raises(BundleError, match=r"golden/answers\.safetensors is not the file"):
        mmbm.load(copy)
    from mmbm.bundle.manifest import MANIFEST, sha256

    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["files"] = {name: sha256(copy / name) for name in manifest["files"]}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"answered differently.*'words' moved by 0\.01"):
        mmbm.load(copy, verify=True)


def test_it_predicts_and_evaluates_without_torch(bundle, table):
    code = f"""
import sys, mmbm
bundle = mmbm.load({str(bundle.path)!r}, verify=True)
rows = bundle.predict({str(table)!r}, explain=True)
assert len(rows) == 192 and all(row["error"] is None for row in rows)
assert bundle.evaluate({str(table)!r})["targets"]["words"]["wer"] < 0.3
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_answers_are_written_to_files(bundle, table, told, tmp_path):
    rows = [{}, *({"speech": row["speech"]} for row in told)]  # the first has nothing to tell types
    answers = bundle.predict(rows, root=table.parent)
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert write_rows(iter(answers), tmp_path / name) == 0
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert json.loads(read[1]["words.times"]) == answers[1]["words.times"]
    frame = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert frame[0]["words"] is None
    assert [row["words"] for row in frame] == [row["words"] for row in answers]
    assert frame[1]["words.times"] == answers[1]["words.times"]


def test_it_is_served_as_the_bundle_answers(bundle, table, told, tmp_path):
    sound = (table.parent / told[0]["speech"]).read_bytes()
    (expected,) = bundle.predict({"speech": sound})
    with serving(tmp_path, bundle.path) as server:
        said = server.post("/predict", files={"speech": ("a.wav", sound)}).json()["answer"]
        assert said["words"] == expected["words"]
        assert said["words.times"] == expected["words.times"]
        assert said["words.confidence"] == pytest.approx(expected["words.confidence"], abs=1e-4)
        bad = server.post("/predict", files={"speech": ("a.wav", b"RIFFnot a sound")})
        assert bad.status_code == 422
        assert bad.json()["error"]["column"] == "speech"
        empty = server.post("/predict", {})
        assert empty.json()["answer"].get("words") is None
        assert server.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(("to", "precision"), [("openvino", "float32"), ("onnx", "float16")])
def test_an_export_answers_the_same(bundle, tmp_path, to, precision):
    made = mmbm.load(bundle.export(to, tmp_path / "out", precision=precision).path, verify=True)
    for label, rows in batches(bundle, golden(bundle)):
        arrays = flatten(batched(bundle, rows), bundle.columns)
        ours, theirs = (
            one.runner.run("answer", one.runner.run("encode", arrays))["words"]
            for one in (bundle, made)
        )
        assert farthest(ours, theirs) <= TOLERANCES[precision], label


def test_one_file_says_what_its_output_means(bundle, tmp_path):
    import onnx

    path = bundle.export("onnx", tmp_path / "model.onnx").path
    facts = {p.key: p.value for p in onnx.load(str(path)).metadata_props}
    told = json.loads(facts["mmbm.outputs"])["words"]
    assert told["values"][:2] == ["", "\ufffd"]
    assert "blank" in told["means"]


def test_a_stopped_and_resumed_run_ends_with_the_same_weights(table, tmp_path, monkeypatch):
    resuming.assert_resumes(spoken.config(table, epochs=3), tmp_path, monkeypatch, 11)


def test_it_goes_with_other_targets_and_without_changing_what_they_see(table, tmp_path):
    """The mix is for those that fuse; a baseline has only targets that can hear."""
    config = spoken.config(table, epochs=2)
    config["targets"]["mood"] = {"kind": "category"}
    bundle = mmbm.train(config, run=tmp_path / "run")
    (answer,) = bundle.predict({})
    assert answer["words"] is None
    assert answer["mood"] in "abc"
    assert set(bundle.metrics["test"]["targets"]) == {"words", "mood"}
    assert "fusion" not in " ".join((bundle.path / "README.md").read_text().split("> ")[1:])


def test_a_beam_search_with_a_language_model_is_what_answers(table, tmp_path):
    config = spoken.config(table, epochs=3)
    config["targets"]["words"] |= {
        "beam_size": 8,
        "ngram_order": 3,
        "tokenizer": "bpe",
        "vocab_size": 12,
    }
    bundle = mmbm.train(config, run=tmp_path / "run")
    assert bundle.columns["words"].state["ngrams"]
    assert mmbm.load(bundle.path, verify=True).evaluate(table)["rows"] == 24


@pytest.mark.parametrize(
    "encoder",
    [
        {"kind": "transformer", "size": "tiny", "patch": 2},
        {"kind": "conformer", "size": "tiny", "kernel": 7, "stride": 2},
    ],
)
def test_any_encoder_of_frames_can_be_written_down(encoder, table, tmp_path):
    config = spoken.config(table, epochs=15)
    config["inputs"]["speech"]["encoder"] = encoder
    bundle = mmbm.train(config, run=tmp_path / "run")
    assert mmbm.load(bundle.path, verify=True).evaluate(table)["targets"]["words"]["cer"] < 0.5


def test_a_sound_too_short_for_its_text_is_told_before_training(table, tmp_path):
    import pandas

    frame = pandas.read_csv(table)
    frame["speech"] = [str(table.parent / name) for name in frame["speech"]]
    frame.loc[3, "words"] = "abc " * 40 + "abc"
    config = configfile.parse(spoken.config(table))
    from mmbm.data.check import check

    said = check(config, tmp_path, tmp_path / "quarantine.csv", table=frame)
    (note,) = [line for line in said if "teach nothing" in line]
    assert note.startswith("1 train rows teach nothing of 'words'")
    assert "row 4: 163 tokens for the text" in note
    frame["words"] = "abc " * 40 + "abc"
    with pytest.raises(TableError, match=r"every train row is too short for its 'words'.*stride"):
        check(config, tmp_path, tmp_path / "quarantine.csv", table=frame)


def test_a_text_needs_a_token_more_for_every_repetition(tmp_path):
    from mmbm.data.store import ColumnStore, write
    from mmbm.kinds.column import build
    from mmbm.kinds.transcript.check import needs
    from mmbm.kinds.transcript.spec import TranscriptTarget

    column = build(TranscriptTarget(input="speech"))
    column.fit(["abb", "aaab"])
    write(tmp_path / "x.arrow", column, iter(["abb", "aaab", None, "a"]), 4, "x")
    store = ColumnStore(tmp_path / "x.arrow", column.storage)
    assert needs(store, np.arange(4)).tolist() == [4, 6, 1, 1]


def test_going_on_with_new_characters_is_told(bundle, table, tmp_path):
    import pandas

    from mmbm.data.prepare import prepare

    frame = pandas.read_csv(table)
    frame["speech"] = [str(table.parent / name) for name in frame["speech"]]
    frame.loc[3, "words"] = "abü"
    states = {name: column.state for name, column in bundle.columns.items()}
    config = configfile.parse(spoken.config(table))
    (note,) = prepare(config, tmp_path, states=states, table=frame).notes
    assert note.startswith("1 train rows of 'words' have characters")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"input": "voice"},
            r"targets\.words\.input: 'voice' is no audio input; there are: speech",
        ),
        ({"ngram_order": 3}, "needs a beam search"),
        ({"tokenizer": "word"}, "tokenizer"),
    ],
)
def test_what_cannot_be_is_said_by_the_config(table, change, message):
    config = spoken.config(table)
    config["targets"]["words"] |= change
    with pytest.raises(ConfigError, match=message):
        configfile.parse(config)


def test_an_input_that_no_target_reads_is_refused(table):
    config = spoken.config(table)
    config["inputs"]["mood"] = {"kind": "category"}
    with pytest.raises(ConfigError, match=r"inputs\.mood: no target reads it"):
        configfile.parse(config)


def test_models_of_folds_have_no_mean_transcript(table):
    config = spoken.config(table)
    config["data"]["split"] = {"folds": 3, "then": "ensemble"}
    with pytest.raises(ConfigError, match="transcripts have no mean; use then: all"):
        configfile.parse(config)


@pytest.mark.parametrize("asked", [False, True])
def test_init_finds_the_transcript_of_a_sound_among_many_texts_or_when_asked(asked, tmp_path):
    from mmbm.data.table import open_table
    from mmbm.init import infer, to_yaml

    table = open_table(spoken.make(tmp_path, 64, longest=3 if asked else 12))
    found = infer(table, [], transcripts=["words"]) if asked else infer(table, ["words"])
    text = to_yaml(found, tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    config = configfile.load(tmp_path / "config.yaml")
    assert config.targets["words"].kind == "transcript"
    assert list(config.inputs) == ["speech"]
    assert "fusion" not in text
    assert config.inputs["speech"].max_seconds == config.inputs["speech"].seconds
