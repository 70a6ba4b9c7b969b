"""Hugging Face models as encoders: a tiny one, made here, on all its way to a bundle without it."""

import contextlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import resuming
import spoken
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from servers import serving

import mmbm
from mmbm.config import load as configfile
from mmbm.errors import ConfigError
from mmbm.integrations.weights import import_weights
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.column import build, collate
from mmbm.layers.batch import Field
from mmbm.nn.modalities import Modality
from mmbm.specs.encoders import PretrainedSpec

transformers = pytest.importorskip("transformers")
RATE = spoken.RATE


def wav2vec2(folder, norm: str = "group", stable: bool = False, **more):
    """A model and its feature extractor with random weights, saved as their authors save them."""
    config = transformers.Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        conv_dim=(16, 16, 16), conv_kernel=(10, 4, 4), conv_stride=(5, 4, 4),
        num_feat_extract_layers=3, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
        feat_extract_norm=norm, do_stable_layer_norm=stable, conv_bias=norm == "layer", **more,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE).save_pretrained(folder)
    return folder


def whisper(folder):
    config = transformers.WhisperConfig(
        vocab_size=60, num_mel_bins=20, d_model=32, encoder_layers=2, encoder_attention_heads=2,
        encoder_ffn_dim=48, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=48,
        max_source_positions=100, max_target_positions=10, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.WhisperForConditionalGeneration(config).save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(
        feature_size=20, sampling_rate=RATE, hop_length=80, n_fft=200, chunk_length=2
    )
    extractor.save_pretrained(folder)
    return folder


MAKERS = {
    "group": wav2vec2,
    "layer": lambda folder: wav2vec2(folder, "layer", stable=True),
    "whisper": whisper,
    "filled": whisper,
}
OPTIONS = {
    "group": {"stride": 1},
    "layer": {"stride": 1},
    "whisper": {},
    "filled": {"pad_to_seconds": 1, "downstream": {"kind": "rnn", "width": 8, "layers": 1}},
}


@pytest.fixture(scope="module", params=list(MAKERS))
def named(request, tmp_path_factory):
    """A model's name in `MAKERS`, and its folder."""
    folder = tmp_path_factory.mktemp("models") / request.param
    return request.param, MAKERS[request.param](folder)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return spoken.make(tmp_path_factory.mktemp("spoken"), rows=64)


def audio(named, **more):
    name, folder = named
    encoder = {"kind": "pretrained", "model": str(folder), **OPTIONS[name], **more}
    return {"kind": "audio", "sample_rate": RATE, "seconds": 1, "encoder": encoder}


def modality(named, **more) -> Modality:
    spec = AudioSpec.model_validate(audio(named, **more))
    column = build(spec)
    column.fit([])
    return Modality("speech", spec, {"speech": column}, 8)


def config(named, table, **more):
    made = spoken.config(table, epochs=2)
    made["inputs"]["speech"] = audio(named, **more)
    return made


def wave(samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(0, 3000, samples)).astype(np.int16)


def field(*waves: np.ndarray) -> Field:
    from mmbm.kinds.audio.column import AudioColumn

    arrays = collate(AudioColumn(AudioSpec()).storage, waves)
    return Field(*map(torch.from_numpy, arrays))


def test_tokens_are_those_of_the_model_itself(named):
    name, folder = named
    one = modality(named).eval()
    model = transformers.AutoModel.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    if name == "filled":  # to half of its length, with the first half of its positions
        extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder, chunk_length=1)
        first = model.encoder.embed_positions.weight[:50]
        model.encoder.embed_positions = torch.nn.Embedding.from_pretrained(first)
        model.encoder.config.max_source_positions = 50
    hears = name in ("group", "layer")
    for samples in (700, 4000, 7999):
        sound = wave(samples)
        heard = extractor(sound / 32768.0, sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            if hears:
                theirs = model(heard.input_values).last_hidden_state
            else:
                theirs = model.encoder(heard.input_features).last_hidden_state
            x, keep = one.encoder(one.frontend(field(sound)))
        kept = int(keep.sum())
        if hears:
            assert kept == theirs.shape[1]
        assert (x[0, :kept] - theirs[0, :kept]).abs().max() < 2e-4


def test_a_row_is_the_same_alone_and_in_any_batch(named):
    one = modality(named).eval()
    waves = [wave(n, n) for n in (5000, 1, 90, 2222, 8000)]
    with torch.no_grad():
        x, keep = one({"speech": field(*waves)})
        assert keep[:, 0].all()
        assert (x[~keep] == 0).all()
        for row, sound in enumerate(waves):
            alone, there = one({"speech": field(sound)})
            count = int(there.sum())
            assert keep[row].sum() == count
            assert (x[row, :count] - alone[0, :count]).abs().max() < 1e-5


@pytest.mark.slow
def test_a_bundle_stands_alone_and_answers_as_it_was_trained(named, table, tmp_path):
    folder = shutil.copytree(named[1], tmp_path / "model")
    bundle = mmbm.train(config((named[0], folder), table), run=tmp_path / "run")
    shutil.rmtree(folder)
    moved = shutil.copytree(bundle.path, tmp_path / "elsewhere")
    code = f"""
import sys, mmbm
bundle = mmbm.load({str(moved)!r}, verify=True)
bundle.predict({str(table)!r})
assert not {{"torch", "transformers"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    from mmbm.inference.restore import restore

    restored = restore(mmbm.load(moved).bundle)
    ours = load_file(moved / "weights.safetensors")
    assert all(torch.equal(tensor, ours[name]) for name, tensor in restored.state_dict().items())
    assert str(tmp_path) not in (moved / "config.yaml").read_text()


@pytest.mark.parametrize("tune", ["frozen", "all"])
def test_a_frozen_model_is_not_trained_and_has_no_dropout(named, tune):
    one = modality(named, tune=tune).train()
    one({"speech": field(wave(4000), wave(2000))})[0].square().sum().backward()
    body = list(one.encoder.body.named_parameters())
    learned = [name for name, weight in body if weight.grad is not None and weight.grad.any()]
    assert bool(learned) == (tune == "all")
    assert one.encoder.body.training == (tune == "all")
    assert one.project.weight.grad.any()


@pytest.mark.parametrize("tune", ["last:1", "lora"])
def test_a_sound_model_is_tuned_in_part(named, tune):
    one = modality(named, tune=tune)
    one.encoder.inject_lora()
    one.train()
    one({"speech": field(wave(4000), wave(2000))})[0].square().sum().backward()
    body = one.encoder.body.named_parameters()
    learned = {name for name, weight in body if weight.grad is not None and weight.grad.any()}
    last = (f"{one.encoder.blocks}.1.", "layer_norm")
    assert learned
    assert all("lora_" in name if tune == "lora" else name.startswith(last) for name in learned)
    names = set(one.state_dict())
    one.encoder.merge()
    assert not any("lora_" in name for name in one.state_dict())
    assert tune == "lora" or set(one.state_dict()) == names


@pytest.mark.slow
def test_it_is_served_and_goes_by_windows(named, table, tmp_path):
    made = config(named, table)
    made["inputs"]["speech"]["windows"] = {"overlap": 0.4, "max_seconds": 10}
    bundle = mmbm.train(made, run=tmp_path / "run")
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, wave(30_000), RATE, subtype="PCM_16", format="WAV")
    (expected,) = bundle.predict({"speech": file.getvalue()})
    with serving(tmp_path / "served", bundle.path) as server, mmbm.Client(server.url) as client:
        *_, last = client.stream([wave(30_000)], RATE)
        assert last["answer"]["words"] == expected["words"]
        assert client.predict({"speech": file.getvalue()})[0]["words"] == expected["words"]


@pytest.mark.slow
def test_a_stopped_and_resumed_run_ends_with_the_same_weights(named, table, tmp_path, monkeypatch):
    resuming.assert_resumes(config(named, table), tmp_path, monkeypatch, 3)


def damaged(named, tmp_path, change) -> tuple[str, object]:
    folder = shutil.copytree(named[1], tmp_path / "model")
    change(folder)
    return named[0], folder


def edit(name: str, **changes):
    def change(folder):
        told = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**told, **changes}))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"model has no config\.json"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "feature extractor"),
        (lambda folder: (folder / "model.safetensors").unlink(), "Pickled weights"),
        (lambda folder: (folder / "config.json").write_text("{"), "can't be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json holds list"),
        (edit("config.json", model_type="bert"), "is a 'bert' model.*wav2vec2 or whisper"),
        (edit("preprocessor_config.json", sampling_rate=16000), "encoder reads 16000, not 8000"),
    ],
)
def test_a_folder_that_is_no_model_is_said(named, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        modality(damaged(named, tmp_path, change))


@pytest.mark.parametrize(
    ("maker", "fill", "message"),
    [
        (whisper, 3, "fills clips to 2 s, so not to 3"),
        (whisper, 0.5, "seconds: its encoder reads 0.5 s at most, not 1"),
        (wav2vec2, 1, "fills no clips with silence, so not to 1"),
    ],
)
def test_a_length_that_cannot_be_filled_to_is_said(tmp_path, maker, fill, message):
    stride = {} if maker is whisper else {"stride": 1}
    with pytest.raises(ConfigError, match=message):
        modality(("whisper", maker(tmp_path / "model")), pad_to_seconds=fill, **stride)


@pytest.mark.parametrize("precision", [None, "float16", "bfloat16"])
def test_whisper_as_ctranslate2_keeps_it_becomes_a_folder(tmp_path, precision):
    file = written_by_ctranslate2(whisper(tmp_path / "model"), tmp_path / "theirs", precision)
    assert import_weights(str(file), tmp_path / "ours") == ("audio", "whisper")
    held = load_file(tmp_path / "model" / "model.safetensors").items()
    theirs = {n.removeprefix("model."): x for n, x in held if n.startswith("model.encoder.")}
    ours = load_file(tmp_path / "ours" / "model.safetensors")
    assert set(ours) == set(theirs)
    kept = getattr(torch, precision or "float32")
    assert all(torch.equal(x, theirs[name].to(kept).float()) for name, x in ours.items())
    spec = {
        **audio(("filled", tmp_path / "ours")),
        "sample_rate": 16000,
    }  # that of every published one
    column = build(AudioSpec.model_validate(spec))
    column.fit([])
    assert Modality("speech", column.spec, {"speech": column}, 8).encoder.places == 50


def test_a_quantised_whisper_is_refused(tmp_path):
    file = written_by_ctranslate2(whisper(tmp_path / "model"), tmp_path / "theirs", "int8")
    with pytest.raises(ConfigError, match="encoder/conv1/weight is quantised"):
        import_weights(str(file), tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), junk=st.binary(max_size=40), cut=st.booleans())
def test_a_damaged_whisper_is_refused_or_still_a_whisper(damaged_whisper, place, junk, cut):
    whole, file = damaged_whisper
    at = round(place * (len(whole) - 1))
    file.write_bytes(whole[:at] + junk + (b"" if cut else whole[at + len(junk) :]))
    with contextlib.suppress(ConfigError):  # or a weight is another number
        assert import_weights(str(file), file.with_name("ours")) == ("audio", "whisper")


@pytest.fixture(scope="module")
def damaged_whisper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    file = written_by_ctranslate2(whisper(folder / "model"), folder / "theirs", "float16")
    return file.read_bytes(), folder / "model.bin"


def written_by_ctranslate2(model, folder, precision):
    loader = pytest.importorskip("ctranslate2.converters.transformers").WhisperLoader()
    spec = loader.get_model_spec(
        transformers.WhisperForConditionalGeneration.from_pretrained(model)
    )
    spec.register_vocabulary([str(i) for i in range(60)])
    spec.validate()
    spec.optimize(quantization=precision)
    folder.mkdir()
    spec.save(str(folder))
    return folder / "model.bin"


def test_weights_that_are_not_the_configs_are_refused_rather_than_made_up(tmp_path):
    folder = wav2vec2(tmp_path / "model")
    edit("config.json", num_hidden_layers=3)(folder)
    with pytest.raises(ConfigError, match="its weights don't fit its config"):
        modality(("group", folder))


def test_a_stride_that_is_not_the_models_is_said(named):
    with pytest.raises(ConfigError, match=rf"write stride: {OPTIONS[named[0]].get('stride', 2)}"):
        modality(named, stride=5)


def test_a_spectrogram_that_nothing_reads_is_not_augmented(named, table):
    made = config(named, table)
    made["inputs"]["speech"]["augment"] = {"vtlp": 0.1}
    with pytest.raises(ConfigError, match="a pretrained encoder reads the sound itself"):
        configfile.parse(made)


def test_no_code_of_a_folder_is_run(tmp_path):
    folder = wav2vec2(tmp_path / "model")
    (folder / "evil.py").write_text("raise SystemExit('this was run')")
    edit("config.json", auto_map={"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"})(folder)
    assert modality(("group", folder)).encoder.width == 32
    assert PretrainedSpec(model=None).tune == "all"
