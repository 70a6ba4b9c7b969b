"""Few rows: members compared by folds, and a bundle of those that have a weight."""

import json

import numpy as np
import pytest
import resuming
import tiny
import torch

import mmbm
from mmbm.config import load as configfile
from mmbm.errors import BundleError, ConfigError, TableError
from mmbm.nn.members import Problem
from mmbm.nn.members.classical import Classical
from mmbm.nn.members.forest import Forest
from mmbm.nn.members.linear import Linear
from mmbm.training import cross_fitting
from mmbm.training.summary import summary

CLASSICAL = ["linear", "boosting", "forest"]


def config(table, members="auto", **train):
    made = tiny.config(table, **train)
    made["targets"] |= {"amount": {"kind": "number"}, "tags": {"kind": "labels"}}
    made["inputs"]["remark"]["tokenizer"] = "word"
    return {**made, "members": members}


@pytest.fixture(scope="module")
def classical(table, tmp_path_factory):
    """A bundle of classical members alone, of all kinds of inputs and targets."""
    return mmbm.train(config(table, CLASSICAL), run=tmp_path_factory.mktemp("run") / "run")


@pytest.mark.timeout(300)
def test_classical_members_alone_are_a_bundle_that_answers_well(classical):
    scores = classical.metrics["test"]["targets"]
    assert scores["label"]["accuracy"] > 0.9
    assert scores["amount"]["r2"] > 0.9
    assert scores["tags"]["micro_f1"] > 0.7
    mmbm.load(classical.path, verify=True)


def test_it_says_how_each_member_did_on_rows_it_was_not_trained_on(classical, table):
    for name in ("label", "amount", "tags"):
        members = classical.metrics["members"][name]
        assert sum(m["weight"] for m in members) == pytest.approx(1)
        assert {"linear photo", "linear table", "linear", "forest"} <= {
            m["member"] for m in members
        }
    rows = classical.metrics["out_of_fold"]["rows"]
    splits = [line.rpartition(",")[2] for line in table.read_text("utf-8").splitlines()]
    assert rows == splits.count("train") + splits.count("valid")
    assert "| linear |" in (classical.path / "README.md").read_text(encoding="utf-8")


def test_training_ends_with_a_table_of_members_the_weightiest_first(classical):
    lines = summary(classical.config, classical.columns, classical.metrics)
    start = next(i for i, line in enumerate(lines) if line.startswith("label:"))
    shown = lines[start + 3 : start + 3 + len(classical.metrics["members"]["label"])]
    weights = [float(line.split()[-4]) for line in shown]
    assert weights == sorted(weights, reverse=True)
    assert "all together" in lines[start + 3 + len(shown)]
    assert any("On test:" in line for line in lines)


def test_each_member_has_its_parameters_and_its_time_whether_it_has_a_weight_or_not(classical):
    for members in classical.metrics["members"].values():
        for one in members:
            assert one["parameters"] > 0
            assert one["milliseconds"] > 0
    cards = (classical.path / "README.md").read_text(encoding="utf-8")
    assert "| member | accuracy | loss | weight | rows | parameters | ms a row |" in cards


def test_the_table_of_members_fits_in_100_columns(classical):
    metrics = json.loads(json.dumps(classical.metrics))
    for one in metrics["members"]["label"]:
        one["member"] = "network without " + "a_long_name_of_a_column_" * 3
        one |= {"milliseconds": 12345.678, "parameters": 123_456_789}
    lines = summary(classical.config, classical.columns, metrics)
    assert max(map(len, lines)) <= 100


def test_nodes_and_coefficients_are_those_that_were_fitted():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(80, 3))
    problem = Problem("regression", x[:, 0] + 0.1 * x[:, 1], 1)
    folds = [(np.arange(40), np.arange(40, 80)), (np.arange(40, 80), np.arange(40))]
    linear, forest = Linear(["t.features"]), Forest(["t.features"], ["t.features"], "regression")
    linear.fit({"t.features": x}, problem, folds)
    forest.fit({"t.features": x}, [], problem, folds)
    grown = forest.learn(*forest.fit_inputs({"t.features": x}, [])[:1], problem)
    assert linear.coefficients() == 4
    assert forest.nodes() == sum(tree.tree_.node_count for tree in grown.estimators_)


def test_a_row_alone_is_answered_as_in_a_batch_and_without_some_of_its_cells(classical):
    rows = [
        {"remark": "it looks red", "speed": 20.0, "place": "town1"},
        {"speed": 1.0},
        {"remark": "blue 看起来是"},
        {},
    ]
    together = list(classical.predict(rows, probabilities=True))
    for row, answer in zip(rows, together):
        (alone,) = classical.predict([row])
        assert alone["label.confidence"] == pytest.approx(answer["label.confidence"], abs=1e-5)
        assert alone["amount"] == pytest.approx(answer["amount"], abs=1e-3)
    counts = np.array(classical.columns["label"].state["counts"])
    nothing = [v for k, v in together[-1].items() if k.startswith("label.p.")]
    assert nothing == pytest.approx((counts / counts.sum()).tolist(), abs=1e-3)


def test_shapley_values_of_members_sum_to_the_answer(classical):
    row = {"remark": "it looks red", "speed": 20.0, "place": "town1"}
    (answer,) = classical.predict([row], explain=True)
    parts = {k: v for k, v in answer.items() if k.startswith("label.attribution.")}
    assert sum(parts.values()) == pytest.approx(answer["label.confidence"], abs=1e-4)


@pytest.mark.parametrize(
    ("to", "precision"),
    [("openvino", "float32"), ("openvino", "float16"), ("onnx", "float16"), ("onnx", "int8")],
)
def test_classical_members_go_to_other_runtimes_and_precisions(classical, to, precision, tmp_path):
    made = classical.export(to, tmp_path / "exported", precision=precision)
    rows = [{"remark": "it looks red", "speed": 20.0, "place": "town1"}, {"speed": 1.0}]
    ours, theirs = classical.predict(rows), mmbm.load(made.path, verify=True).predict(rows)
    for one, other in zip(ours, theirs):
        assert one["label"] == other["label"]
        assert one["amount"] == pytest.approx(other["amount"], abs=2)


def test_training_does_not_go_on_from_classical_members_alone(classical, table, tmp_path):
    with pytest.raises(BundleError, match="classical members alone"):
        mmbm.train(config(table, ["network"]), run=tmp_path / "run", start=classical.path)
    with pytest.raises(ConfigError, match="are fitted anew from all rows"):
        mmbm.train(config(table, CLASSICAL), run=tmp_path / "run", start=classical.path)


@pytest.mark.timeout(300)
def test_training_twice_gives_the_same_bits(classical, table, tmp_path):
    again = mmbm.train(config(table, CLASSICAL), run=tmp_path / "again")
    ours, theirs = (
        json.loads((b.path / "manifest.json").read_text())["files"]["weights.safetensors"]
        for b in (classical, again)
    )
    assert ours == theirs


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_run_with_folds_ends_with_the_same_bits(table, tmp_path, monkeypatch):
    resuming.assert_resumes(config(table), tmp_path, monkeypatch, 2, inside="fold-1")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_network_that_does_not_help_costs_one_fold_and_is_left_out(table, tmp_path, capsys):
    bundle = mmbm.train(config(table, epochs=4), run=tmp_path / "run")
    assert "do as well without it" in capsys.readouterr().err
    assert bundle.config.members == CLASSICAL
    assert not (tmp_path / "run" / "fold-2").exists()
    assert bundle.metrics["test"]["targets"]["label"]["accuracy"] > 0.9


@pytest.mark.timeout(300)
def test_a_network_that_helps_is_trained_on_all_rows_and_mixed_with_the_others(tmp_path, capsys):
    """Whether two numbers have the same sign: no linear model can tell."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 2))
    rows = [
        {"a": a, "b": b, "same": "yes" if a * b > 0 else "no", "split": split}
        for (a, b), split in zip(x, ["train"] * 240 + ["valid"] * 60 + ["test"] * 100)
    ]
    bundle = mmbm.train(
        {
            "data": {"split": "split"},
            "inputs": {"a": "number", "b": "number"},
            "targets": {"same": "category"},
            "members": ["network", "linear"],
            "train": {"epochs": 20, "batch_size": 16, "threads": 1},
        },
        table=rows,
        run=tmp_path / "run",
    )
    assert bundle.config.members == ["network", "linear"]
    assert "Network on all rows" in capsys.readouterr().err
    assert bundle.metrics["out_of_fold"]["rows"] == 300
    costs = {m["member"]: m["parameters"] for m in bundle.metrics["members"]["same"]}
    assert costs["network"] > costs["network table alone"] > costs["linear table"] > 0
    members = bundle.metrics["members"]["same"]  # without the only modality there is no answer
    assert [m["member"] for m in members] == ["network", "network table alone", "linear table"]
    assert bundle.metrics["test"]["targets"]["same"]["accuracy"] > 0.9
    mmbm.load(bundle.path, verify=True)
    restored = mmbm.load(bundle.path)
    from mmbm.inference.predict import decode_row, encode
    from mmbm.inference.restore import restore
    from mmbm.inference.runners.torch import TorchRunner

    rows = [{"a": a, "b": b} for a, b in x[:5]]
    decoded = [decode_row(restored, row, None) for row in rows]
    model = restore(restored.bundle)
    answered = TorchRunner(model).run("answer", encode(restored, decoded))["same"]
    theirs = [answer["same.p.yes"] for answer in bundle.predict(rows, probabilities=True)]
    assert answered[:, 1] == pytest.approx(theirs, abs=1e-4)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("linear", [False, True])
def test_of_more_rows_one_network_is_judged_by_valid_rows_and_the_others_by_all(
    linear, tmp_path, monkeypatch
):
    """It stays where it helps; where it doesn't, train and valid rows choose the mix."""
    monkeypatch.setitem(cross_fitting.FEW, "balanced", 100)
    x = np.random.default_rng(0).normal(size=(400, 2))
    rows = [
        {"a": a, "b": b, "same": "yes" if (a + b if linear else a * b) > 0 else "no", "split": s}
        for (a, b), s in zip(x, ["train"] * 240 + ["valid"] * 60 + ["test"] * 100)
    ]
    made = {
        "data": {"split": "split"},
        "inputs": {"a": "number", "b": "number"},
        "targets": {"same": "category"},
        "members": ["network", "linear"],
        "train": {"epochs": 1 if linear else 20, "batch_size": 16, "threads": 1},
    }
    bundle = mmbm.train(made, table=rows, run=tmp_path / "run")
    assert bundle.metrics["out_of_fold"]["rows"] == (300 if linear else 60)
    assert bundle.config.members == (["linear"] if linear else ["network", "linear"])
    assert "valid" not in bundle.metrics  # classical members were fitted on it
    assert bundle.metrics["test"]["targets"]["same"]["accuracy"] > 0.85
    mmbm.load(bundle.path, verify=True)


def test_the_monitored_metric_decides_which_class_is_answered(table, tmp_path):
    """Balanced accuracy of uneven classes: the class that is likely for its frequency."""
    lines = table.read_text(encoding="utf-8").splitlines()
    kept = [x for i, x in enumerate(lines[1:]) if "red" not in x.split(",") or i % 4 == 0]
    few = tmp_path / "uneven.csv"
    few.write_text("\n".join([lines[0], *kept]) + "\n", encoding="utf-8")
    made = config(few, ["linear"], monitor="label.balanced_accuracy")
    made["data"]["root"] = str(table.parent)
    made["inputs"] = {"speech": made["inputs"]["speech"]}
    bundle = mmbm.train(made, run=tmp_path / "run")
    assert bundle.config.targets["label"].decision == "balanced"
    state = bundle.columns["label"].state
    frequency = dict(zip(state["values"], state["counts"]))
    assert min(frequency.values()) < 0.5 * max(frequency.values())
    cells = [{"speech": table.parent / f"media/{i}.wav"} for i in range(12)]
    for answer in bundle.predict([*cells, {}], probabilities=True):
        relative = {name: answer[f"label.p.{name}"] / n for name, n in frequency.items()}
        assert answer["label"] == max(relative, key=lambda name: relative[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"data": {"split": "split", "group": "one"}},
            "'one' has one value in all train and valid",
        ),
        ({"data": {"split": {"test": 0.2}, "group": "one"}}, "goes with a split by a column"),
        ({"train": {"self_training": {}}}, "labels rows by a network alone"),
        ({"targets": {"y": "category", "rare": "number"}}, "with a value of 'rare' are too few"),
    ],
)
def test_what_can_not_be_compared_or_would_be_ignored_is_a_sentence(change, message, tmp_path):
    rows = [
        {"n": i % 7, "one": "x", "y": "ab"[i % 2], "rare": 1.5 if i == 0 else None,
         "split": "valid" if i % 5 == 1 else "test" if i % 5 == 4 else "train"}
        for i in range(40)
    ]  # fmt: skip
    made = {"inputs": {"n": "number"}, "targets": {"y": "category"}, "members": ["linear"],
            "data": {"split": "split"}}  # fmt: skip
    with pytest.raises((ConfigError, TableError), match=message):
        mmbm.train({**made, **change}, table=rows, run=tmp_path / "run")


def test_inputs_may_be_called_as_members_are(tmp_path):
    """Whether a row has a member goes by the modality that it reads, not by names."""
    exact = {f"{name}.features": False for name in ("boosting", "forest", "all", "network")}
    members = Classical(CLASSICAL, "multiclass", 2, exact)
    assert len(members.names) == len(set(members.names)) == 7
    some = torch.tensor([True, False])
    present = {n.removesuffix(".features"): some for n in exact} | {"boosting": ~some}
    available = dict(zip(members.names, members.available(present).tolist()))
    assert available["linear boosting"] == [False, True]
    assert available["boosting"] == available["forest"] == available["linear"] == [True, True]


def test_a_target_that_only_a_network_answers_needs_one(table):
    made = config(table, ["linear"])
    made["targets"] = {"remark": {"kind": "text"}}
    del made["inputs"]["remark"]
    with pytest.raises(ConfigError, match="add network"):
        configfile.parse(made)
