"""What training promises, besides resuming (see test_checkpoint)."""

import json
import math

import numpy as np
import pytest
import tiny
import torch
from torch import nn

import mmbm
from mmbm.api import load
from mmbm.config import load as configfile
from mmbm.errors import BundleError, ConfigError, TrainingError
from mmbm.inference.restore import check_start, restore
from mmbm.kinds import column as kinds
from mmbm.nn.model import Model
from mmbm.training.export_onnx import example


def small(table, **train):
    """Numbers and a category only: trains in a moment."""
    config = tiny.config(table, **{"epochs": 1, "golden_rows": 0, **train})
    config["inputs"] = {k: config["inputs"][k] for k in ("speed", "place")}
    return config


def test_the_log_has_losses_rates_and_scores(bundle_path):
    lines = [json.loads(x) for x in (bundle_path.parent / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]
    assert all(line["rows_per_second"] > 0 for line in lines if "loss" in line)
    assert [line["epoch"] for line in lines if "epoch" in line] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_reads_the_events(bundle_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(bundle_path.parent)).Reload()
    assert {"loss", "lr", "valid/label/accuracy"} <= set(events.Tags()["scalars"])


def test_a_loss_that_is_not_finite_stops_with_step_rows_and_advice(table, tmp_path, monkeypatch):
    class Poisoned(nn.Module):
        width = 4

        def __init__(self, layout, features):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(features, 4))

        def forward(self, features):
            from mmbm.layers.batch import Tokens

            x = features.x.mean((2, 3)) @ self.weight * math.inf
            return Tokens(x[:, None], torch.ones(len(x), 1, dtype=torch.bool))

    monkeypatch.setattr("own_encoder.Poisoned", Poisoned, raising=False)
    config = tiny.config(table, log_steps=1)
    config["inputs"] = {"photo": {"kind": "image", "size": 8, "encoder": "own_encoder:Poisoned"}}
    with pytest.raises(TrainingError, match=r"not finite, at step 1.*train\.lr.*float32"):
        mmbm.train(config, run=tmp_path / "run")


def test_a_users_own_encoder_trains_exports_and_is_never_imported_from_a_bundle(table, tmp_path):
    config = tiny.config(table, epochs=1)
    own = {"kind": "own_encoder:Average", "width": 6}
    config["inputs"] = {"photo": {"kind": "image", "size": 8, "encoder": own}}
    bundle = mmbm.train(config, run=tmp_path / "run")
    assert bundle.verify() == 4
    with pytest.raises(
        BundleError, match=r"names the class 'own_encoder:Average'.*--allow own_encoder"
    ):
        restore(load(bundle.path).bundle)
    assert restore(load(bundle.path, allow=["own_encoder"]).bundle) is not None


def test_an_own_class_that_is_not_there_is_named(table, tmp_path):
    config = tiny.config(table)
    config["inputs"] = {"photo": {"kind": "image", "encoder": "no.such:Encoder"}}
    with pytest.raises(ConfigError, match="there is no module"):
        mmbm.train(config, run=tmp_path / "a")
    config["inputs"] = {"photo": {"kind": "image", "encoder": "own_encoder:Nothing"}}
    with pytest.raises(ConfigError, match="has no 'Nothing'"):
        mmbm.train(config, run=tmp_path / "b")
    config["inputs"] = {"photo": {"kind": "image", "encoder": "os:system"}}
    with pytest.raises(ConfigError, match=r"no torch\.nn\.Module"):
        mmbm.train(config, run=tmp_path / "c")


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU where there is none")
def test_a_device_that_is_not_there_is_never_replaced_by_another(table, tmp_path):
    with pytest.raises(ConfigError, match=r"has no cuda; auto takes"):
        mmbm.train(small(table, device="cuda"), run=tmp_path / "a")
    with pytest.raises(ConfigError, match="float16 needs a GPU"):
        mmbm.train(small(table, device="cpu", precision="float16"), run=tmp_path / "b")


def test_processors_of_every_make_train_in_the_same_precision_unless_told(table, tmp_path, capfd):
    mmbm.train(small(table, device="cpu", epochs=1), run=tmp_path / "run")
    assert "cpu, float32\n" in capfd.readouterr().err


def test_trainings_of_one_process_have_each_its_own_precision(table, tmp_path, capfd):
    for i, precision in enumerate(("float32", "bfloat16", "float32")):
        config = small(table, device="cpu", precision=precision, epochs=1)
        mmbm.train(config, run=tmp_path / str(i))
        assert f"cpu, {precision}\n" in capfd.readouterr().err


def test_an_unknown_metric_to_monitor_is_told_before_anything_is_learned(table, tmp_path):
    with pytest.raises(ConfigError, match=r"no 'label\.acuracy'; it can be label\.accuracy"):
        mmbm.train(small(table, monitor="label.acuracy"), run=tmp_path / "run")
    log = tmp_path / "run/log.jsonl"
    assert not log.exists() or '"epoch"' not in log.read_text()


def test_early_stopping_ends_a_run_that_gets_no_better(table, tmp_path):
    config = small(table, epochs=50, patience=2, lr=1e-7)
    bundle = mmbm.train(config, run=tmp_path / "run")
    lines = (bundle.path.parent / "log.jsonl").read_text().splitlines()
    assert sum('"epoch"' in line for line in lines) < 50


def test_going_on_from_a_bundle_keeps_what_it_knew_and_learns_new_classes(table, tmp_path):
    first = mmbm.train(small(table, epochs=10, lr=0.02), run=tmp_path / "first")
    text = table.read_text(encoding="utf-8").replace(",red,", ",crimson,")
    more = table.with_name("more.csv")
    more.write_text(text, encoding="utf-8")
    config = small(more, epochs=10, lr=0.02)
    second = mmbm.train(config, run=tmp_path / "second", start=first.path)
    assert second.columns["label"].state["values"] == ["blue", "green", "red", "crimson"]
    assert second.columns["speed"].state == first.columns["speed"].state
    said = {a["label"] for a in second.predict(more, drop_input=[])}
    assert "crimson" in said


def test_going_on_from_another_architecture_is_refused(table, tmp_path):
    first = mmbm.train(small(table), run=tmp_path / "first")
    config = small(table)
    config["fusion"] = {"kind": "concat", "width": 24}
    with pytest.raises(BundleError, match="another architecture"):
        mmbm.train(config, run=tmp_path / "second", start=first.path)


def test_a_row_without_a_target_teaches_the_others(table, tmp_path):
    lines = table.read_text(encoding="utf-8").splitlines()
    names = lines[0].split(",")
    place = names.index("label")
    for i in range(1, len(lines), 3):
        cells = lines[i].split(",")
        cells[place] = ""
        lines[i] = ",".join(cells)
    half = table.with_name("half.csv")
    half.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = small(half)
    config["targets"]["amount"] = {"kind": "number"}
    metrics = mmbm.train(config, run=tmp_path / "run").metrics["valid"]
    assert metrics["targets"]["amount"]["rows"] == 12
    assert 0 < metrics["targets"]["label"]["rows"] < 12


def test_inputs_that_share_weights_have_one_set(table, tmp_path):
    text = table.read_text(encoding="utf-8").replace("photo,speech", "photo,again", 1)
    twice = table.with_name("twice.csv")
    lines = [line.split(",") for line in text.splitlines()]
    twice.write_text(
        "\n".join(",".join([c[0], c[0] if i else "again", *c[2:]]) for i, c in enumerate(lines)),
        encoding="utf-8",
    )
    spec = {"kind": "image", "size": 8, "encoder": {"kind": "cnn", "size": "tiny", "width": 4}}
    config = tiny.config(twice, epochs=1, golden_rows=2)
    config["inputs"] = {"photo": spec, "again": {**spec, "share_weights_with": "photo"}}
    bundle = mmbm.train(config, run=tmp_path / "run")
    model = restore(bundle.bundle)
    assert model.inputs["again"].original is model.inputs["photo"]
    assert bundle.verify() == 2


@pytest.mark.parametrize("fusion", ["gated", "transformer", "bottleneck", "lowrank"])
def test_every_fusion_goes_the_whole_way(table, tmp_path, fusion):
    config = tiny.config(table, epochs=1)
    config["fusion"] = {"kind": fusion, "width": 16}
    config["inputs"].pop("speech")
    assert mmbm.train(config, run=tmp_path / "run").verify() == 4


def test_columns_may_be_named_like_anything(table, tmp_path):
    names = {"speed": "train", "place": "a.b 速度%", "label": "type"}
    header, rest = table.read_text(encoding="utf-8").split("\n", 1)
    header = ",".join(names.get(n, n) for n in header.split(","))
    odd = table.with_name("odd.csv")
    odd.write_text(f"{header}\n{rest}", encoding="utf-8")
    config = tiny.config(odd, epochs=1)
    config["inputs"] = {"train": {"kind": "number"}, "a.b 速度%": {"kind": "category"}}
    config["targets"] = {"type": {"kind": "category"}}
    assert mmbm.train(config, run=tmp_path / "run").verify() == 4


def test_a_table_in_memory_trains_too(tmp_path):
    pandas = pytest.importorskip("pandas")
    generator = np.random.default_rng(0)
    x = generator.normal(size=200)
    frame = pandas.DataFrame({"x": x, "y": np.where(x > 0, "up", "down")})
    config = {"inputs": {"x": "number"}, "targets": {"y": "category"}, "train": {"epochs": 5}}
    bundle = mmbm.train(config, table=frame, run=tmp_path / "run")
    assert bundle.metrics["test"]["targets"]["y"]["accuracy"] > 0.8
    assert [a["y"] for a in bundle.predict([{"x": 3.0}, {"x": -3.0}])] == ["up", "down"]


def test_baselines_are_trained_and_reported(table, tmp_path):
    bundle = mmbm.train(small(table), run=tmp_path / "run", baselines=True)
    assert bundle.metrics["test"]["baselines"].keys() == {"table"}


@pytest.mark.parametrize("part", ["inputs", "targets"])
def test_going_on_with_other_columns_says_which(bundle, part):
    specs = dict(list(getattr(bundle.config, part).items())[1:])
    with pytest.raises(BundleError, match=f"was trained with the {part} .*; this config has"):
        check_start(bundle.config.model_copy(update={part: specs}), bundle)
    check_start(bundle.config, bundle)


def test_an_empty_category_has_an_index_to_trace_with():
    raw = {"table": "a.csv"}, {"place": {"kind": "category"}}, {"label": {"kind": "category"}}
    config = configfile.parse(dict(zip(("data", "inputs", "targets"), raw)))
    states = {"place": {"values": [], "counts": []}, "label": {"values": ["a"], "counts": [1]}}
    columns = kinds.build_all(config.columns, states)
    args, _ = example(Model(config, columns), columns, None)
    assert args["place"].max() == 0


def test_each_modality_is_hidden_as_often_as_the_config_says(bundle_path):
    bundle = load(bundle_path)
    fusion = bundle.config.fusion.model_copy(
        update={"modality_dropout": {"photo": 0.5, "remark": 0.0}}
    )
    config = bundle.config.model_copy(update={"fusion": fusion})
    model = Model(config, bundle.columns)
    torch.manual_seed(0)
    seen = model.hide({name: torch.ones(4000, dtype=torch.bool) for name in model.modalities})
    hidden = {name: 1 - float(rows.float().mean()) for name, rows in seen.items()}
    assert hidden["remark"] == 0
    assert hidden["photo"] == pytest.approx(0.5, abs=0.05)
    assert hidden["table"] == pytest.approx(0.2, abs=0.05)  # the usual chance


def test_a_number_on_a_logarithmic_scale_exports_and_keeps_its_golden_answers(tmp_path):
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 200))
    table = {"a": a.tolist(), "b": b.tolist(), "price": (1000 * 10 ** (3 * a + b)).tolist()}
    config = {
        "inputs": {"a": "number", "b": "number"},
        "targets": {"price": {"kind": "number", "log": True}},
        "train": {"epochs": 10, "golden_rows": 8},
    }
    bundle = mmbm.train(config, table=table, run=tmp_path / "run")
    assert bundle.predict([{"a": 0.9, "b": 0.9}])[0]["price"] > 1e5
    assert bundle.verify() == 8
