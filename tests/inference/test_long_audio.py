"""Recordings longer than a model's window: what /predict, evaluate and a bundle make of them."""

import csv
import shutil

import jiwer
import numpy as np
import pytest
import soundfile
import spoken

import mmbm
from mmbm.api import Model
from mmbm.config import load as configfile
from mmbm.errors import ConfigError
from mmbm.inference.long_audio import Windows
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.transcript import answer as transcript
from mmbm.specs.encoders import RNNSpec

WINDOWS = {"overlap": 0.4, "max_seconds": 12}


def config(table, **train):
    made = spoken.config(table, **train)
    made["inputs"]["speech"]["windows"] = WINDOWS
    return made


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return spoken.make(tmp_path_factory.mktemp("spoken"), rows=256, longest=12)


@pytest.fixture(scope="module")
def bundle(table, tmp_path_factory) -> Model:
    return mmbm.train(config(table, epochs=25), run=tmp_path_factory.mktemp("runs") / "long")


def recording(folder, letters: int, seed: int = 1):
    """A sound of so many letters. -> its path and text"""
    generator = np.random.default_rng(seed)
    text = " ".join("".join(generator.choice(list("abc "), letters)).split())
    soundfile.write(folder / f"{letters}-{seed}.wav", spoken.say(text, generator), spoken.RATE)
    return folder / f"{letters}-{seed}.wav", text


# ── where windows are cut ────────────────────────────────────────────────────────────────────────


def windows(seconds=1.0, overlap=0.4, stride=2, rate=8000) -> Windows:
    spec = AudioSpec.model_validate(
        {
            "kind": "audio", "sample_rate": rate, "seconds": seconds,
            "windows": {"overlap": overlap}, "encoder": RNNSpec(stride=stride),
        }
    )  # fmt: skip
    return Windows.of(spec)


@pytest.mark.parametrize("stride", [1, 2, 8])
@pytest.mark.parametrize("samples", [8001, 8160, 9000, 12_800, 13_000, 40_000, 79_999])
def test_every_token_is_believed_once_and_in_order(samples, stride):
    one = windows(stride=stride)
    believed = []
    for cut in one.cuts(samples):
        assert 0 <= cut.start < cut.end <= samples
        assert cut.start % one.step == 0
        assert cut.end - cut.start <= one.size
        tokens = range(cut.start // one.step, samples // one.step + 1)
        there = tokens[: (cut.end - cut.start) // one.step + 1]
        believed += there[cut.first : cut.last]
    assert believed == list(range(samples // one.step + 1))


def test_what_is_believed_has_half_of_the_overlap_around_it():
    one = windows()
    *before, last = one.cuts(50_000)
    for i, cut in enumerate(before):
        assert cut.first == (one.margin if i else 0)
        assert (cut.end - cut.start) // one.step - cut.last == one.margin
    assert last.first >= one.margin
    assert one.size - one.step < last.end - last.start <= one.size


def test_a_sound_that_fits_is_one_window():
    assert windows().cuts(8000) == [(0, 8000, 0, None)]


# ── what is answered ─────────────────────────────────────────────────────────────────────────────


def test_a_long_recording_is_understood_to_its_end(bundle, tmp_path):
    path, text = recording(tmp_path, 120)
    (answer,) = bundle.predict({"speech": path})
    assert jiwer.cer(text, answer["words"]) < 0.1
    last = answer["words.times"][-1]
    assert [one["word"] for one in answer["words.times"]] == answer["words"].split()
    assert last["end"] == pytest.approx(len(text) * spoken.SECONDS, abs=0.2)


def test_a_word_on_a_seam_is_heard_once(bundle, tmp_path):
    """The same text, moved along the windows by what is said before it."""
    generator = np.random.default_rng(0)
    for before in range(9):
        text = "cbacbacb "[9 - before :] + "ab ca bc ab ca bc ab ca bc"
        soundfile.write(tmp_path / "moved.wav", spoken.say(text, generator), spoken.RATE)
        (answer,) = bundle.predict({"speech": tmp_path / "moved.wav"})
        assert jiwer.cer(text, answer["words"]) <= 1 / len(text), before


def test_long_and_short_go_together_as_alone(bundle, tmp_path):
    cells = [{"speech": recording(tmp_path, n)[0]} for n in (5, 60, 12, 100)] + [{}]
    together = bundle.predict(cells)
    for cell, expected in zip(cells, together):
        (alone,) = bundle.predict(cell)
        assert alone["words"] == expected["words"]
        assert alone["words.times"] == expected["words.times"]
    assert together[-1]["words"] is None


def test_evaluating_a_bundle_hears_long_recordings_too(bundle, tmp_path):
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["speech", "words"])
        pairs = [recording(tmp_path, n, n) for n in (6, 40, 80, 120)]
        writer.writerows([path.name, text] for path, text in pairs)
    scores = bundle.evaluate(tmp_path / "data.csv", None)["targets"]["words"]
    said = bundle.predict([{"speech": path} for path, _ in pairs])
    expected = jiwer.cer([text for _, text in pairs], [one["words"] for one in said])
    assert scores["rows"] == 4
    assert scores["cer"] == pytest.approx(expected)
    low, high = scores["cer_interval"]
    assert low <= scores["cer"] <= high


def test_contributions_of_a_long_recording_are_its_confidence(bundle, tmp_path):
    (answer,) = bundle.predict({"speech": recording(tmp_path, 60)[0]}, explain=True)
    assert answer["words.attribution.speech"] == pytest.approx(answer["words.confidence"])


def test_words_are_placed_the_same_a_part_at_a_time(bundle, tmp_path, monkeypatch):
    """As if two thousand places were a hundred: seams of placing move no word."""
    row = {"speech": recording(tmp_path, 140)[0]}
    (whole,) = bundle.predict(row)
    monkeypatch.setattr(transcript, "TOGETHER", 100)
    (parts,) = bundle.predict(row)
    assert parts["words"] == whole["words"]
    assert parts["words.times"] == whole["words.times"]
    assert np.log(parts["words.confidence"]) == pytest.approx(
        np.log(whole["words.confidence"]), abs=0.5
    )


def test_a_recording_beyond_the_longest_is_refused(bundle, tmp_path):
    (answer,) = bundle.predict({"speech": recording(tmp_path, 240)[0]})
    assert answer["error"] == "speech: is longer than max_seconds=12"


def test_training_refuses_what_would_be_said_only_in_part(table, tmp_path):
    folder = shutil.copytree(table.parent, tmp_path / "data")
    long, text = recording(folder, 40)
    with (folder / "data.csv").open("a", newline="") as file:
        csv.writer(file).writerow([long.name, text, "a", "train"])
    from mmbm.data.check import check

    parsed = configfile.parse(config(folder / "data.csv"))
    said = "\n".join(check(parsed, tmp_path / "cache", tmp_path / "quarantine.csv"))
    assert "1 cells in 1 rows can't be decoded" in said
    assert "is longer than max_seconds=1" in (tmp_path / "quarantine.csv").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"windows": {"overlap": 0.8}}, "windows.overlap: 0.8 s is more than half of a window"),
        ({"windows": {"overlap": 0.2, "max_seconds": 0.5}}, "shorter than one window"),
        ({"windows": {"overlap": 0.2}, "encoder": {"kind": "own_encoder:Average"}}, "`stride`"),
    ],
)
def test_windows_that_cannot_be_are_said_by_the_config(table, change, message):
    made = spoken.config(table)
    made["inputs"]["speech"] |= change
    with pytest.raises(ConfigError, match=message):
        configfile.parse(made)


@pytest.mark.parametrize(
    "target",
    [
        {"kind": "category"},
        {"kind": "number"},
        {"kind": "labels"},
        {"kind": "text"},
        {"kind": "contrastive", "columns": ["speech", "note"]},
    ],
    ids=lambda target: target["kind"],
)
def test_a_target_that_has_no_part_in_a_window_is_refused(table, target):
    made = config(table)
    made["inputs"]["note"] = {"kind": "text"}
    made["targets"]["other"] = target
    said = rf"inputs\.speech\.windows.*'other' is of kind {target['kind']}"
    with pytest.raises(ConfigError, match=said):
        configfile.parse(made)
