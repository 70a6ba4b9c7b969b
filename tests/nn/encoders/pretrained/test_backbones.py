"""Pretrained models of texts and pictures: tiny ones, made here, on all their way to a bundle."""

import shutil
import subprocess
import sys

import backbones
import battery
import numpy as np
import pytest
import resuming
import torch
from backbones import MODELS, PHOTO, cells, field, modality
from safetensors.torch import load_file

import mmbm
from mmbm.errors import ConfigError
from mmbm.kinds.pretrained import PICTURES, TEXTS

transformers = pytest.importorskip("transformers")
CONVOLUTIONS = ("resnet", "efficientnet", "efficientnet-lite0")
"""Have no linear layers."""


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
    restored = restore(mmbm.load(moved).bundle).state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in restored.items())
    assert str(tmp_path) not in (moved / "config.yaml").read_text()


@pytest.mark.slow
def test_training_goes_on_from_a_bundle_of_lora(bert, table, tmp_path):
    made = backbones.config(table, bert[1], "text", {"tune": "lora"})
    first = mmbm.train(made, run=tmp_path / "first")
    second = mmbm.train(made, run=tmp_path / "second", start=first.path)
    ours, theirs = (load_file(b.path / "weights.safetensors") for b in (first, second))
    assert set(ours) == set(theirs)


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
