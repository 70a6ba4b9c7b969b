"""Columns in one space: from the table to what finds what."""

import csv
import json
import subprocess
import sys

import numpy as np
import pairs
import pyarrow.parquet
import pytest
from safetensors.numpy import load_file

import mmbm
from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.errors import ConfigError, Interrupted, TableError
from mmbm.export.verify import TOLERANCES, batches, golden
from mmbm.inference.output import write_rows
from mmbm.inference.predict import batched
from mmbm.inference.runners import farthest, flatten
from mmbm.training.trainer import Trainer

COLUMNS = ("photo", "en", "zh")
CLASSES = {
    "label_column": "shape",
    "input": "photo",
    "text_input": "en",
    "templates": ["a {}", "a red {}"],
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return pairs.make(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def bundle(table, tmp_path_factory):
    config = pairs.config(table)
    config["targets"]["alike"]["zero_shot"] = CLASSES
    return mmbm.train(config, run=tmp_path_factory.mktemp("runs") / "pairs")


@pytest.fixture(scope="module")
def told(table):
    """The rows of the test split."""
    with table.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "test"]


def test_what_belongs_together_is_found_both_ways(bundle):
    scores = bundle.metrics["test"]["targets"]["alike"]
    assert scores["recall@1"] > 0.5
    low, high = scores["interval"]
    assert low <= scores["recall@1"] <= high
    assert set(scores["pairs"]) == {f"{a}->{b}" for a in COLUMNS for b in COLUMNS if a != b}
    for pair in scores["pairs"].values():
        assert pair["recall@1"] <= pair["recall@5"] <= pair["recall@10"]
        assert pair["chance"]["recall@1"] == pytest.approx(2 / pair["candidates"], rel=0.1)  # twins
        assert pair["recall@1"] > 5 * pair["chance"]["recall@1"]
        assert pair["median_rank"] == 1


def test_classes_are_told_by_their_names(bundle):
    classes = bundle.metrics["test"]["targets"]["alike"]["zero_shot"]
    assert classes["classes"] == 3
    assert classes["chance"] == pytest.approx(1 / 3)
    assert classes["accuracy"] > 0.6
    assert classes["interval"][0] <= classes["accuracy"] <= classes["interval"][1]


def test_recall_is_what_the_embeddings_say(bundle, table, told):
    """Measured again from what predict gives, row by row."""
    answers = bundle.predict(
        [{c: row[c] for c in COLUMNS} for row in told], root=table.parent, embeddings=True
    )
    rows = [i for i, row in enumerate(told) if row["photo"] and row["en"]]
    hits = []
    for i in (i for i, row in enumerate(told) if row["photo"]):
        query = np.array(answers[i]["alike.embedding.photo"])
        near = {
            k: float(query @ np.array(answers[k]["alike.embedding.en"]))
            for k, row in enumerate(told)
            if row["en"]
        }
        right = [k for k in near if k == i or told[k]["en"] == told[i]["en"] != ""]
        if right:
            hits.append(max(near, key=near.__getitem__) in right)
    measured = bundle.metrics["test"]["targets"]["alike"]["pairs"]["photo->en"]
    assert measured["questions"] == len(hits) == len(rows)
    assert measured["recall@1"] == pytest.approx(np.mean(hits))


def test_an_answer_is_how_alike_a_rows_own_cells_are(bundle, table, told):
    row = next(row for row in told if all(row[c] for c in COLUMNS))
    cells = {c: row[c] for c in COLUMNS}
    (answer,) = bundle.predict(cells, root=table.parent, embeddings=True)
    z = [np.array(answer[f"alike.embedding.{c}"]) for c in COLUMNS]
    assert all(np.linalg.norm(one) == pytest.approx(1, abs=1e-5) for one in z)
    mean = np.mean([z[0] @ z[1], z[0] @ z[2], z[1] @ z[2]])
    assert answer["alike"] == pytest.approx(mean, abs=1e-5)
    other = next(
        r["en"] for r in told if r["en"] and r["en"].split()[1:3] != row["en"].split()[1:3]
    )
    (wrong,) = bundle.predict({**cells, "en": other}, root=table.parent)
    assert wrong["alike"] < answer["alike"]


def test_a_row_with_one_cell_is_embedded_and_compared_with_nothing(bundle, table, told):
    row = next(row for row in told if row["photo"])
    (answer,) = bundle.predict({"photo": row["photo"]}, root=table.parent, embeddings=True)
    assert answer["alike"] is None
    assert answer["alike.embedding.en"] is None
    (empty,) = bundle.predict({}, embeddings=True)
    assert set(empty.values()) == {None}


def test_an_embedding_does_not_depend_on_the_rows_other_cells(bundle, table, told):
    row = next(row for row in told if all(row[c] for c in COLUMNS))
    (together,) = bundle.predict({c: row[c] for c in COLUMNS}, root=table.parent, embeddings=True)
    for column in COLUMNS:
        (alone,) = bundle.predict({column: row[column]}, root=table.parent, embeddings=True)
        ours, theirs = (x[f"alike.embedding.{column}"] for x in (alone, together))
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_contributions_add_up_to_the_similarity(bundle, table, told):
    row = next(row for row in told if all(row[c] for c in COLUMNS))
    cells = {c: row[c] for c in COLUMNS}
    (answer,) = bundle.predict(cells, root=table.parent, explain=True)
    parts = [v for k, v in answer.items() if k.startswith("alike.attribution.")]
    assert sum(parts) == pytest.approx(answer["alike"], abs=1e-5)


def test_embeddings_are_written_to_files(bundle, table, told, tmp_path):
    rows = [{"photo": row["photo"], "en": row["en"]} for row in told if row["photo"] and row["en"]]
    answers = bundle.predict(rows, root=table.parent, embeddings=True)
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert write_rows(iter(answers), tmp_path / name) == 0
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        read = next(csv.DictReader(file))
    expected = answers[0]["alike.embedding.en"]
    assert json.loads(read["alike.embedding.en"]) == pytest.approx(expected)
    frame = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert frame[0]["alike.embedding.en"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("first", ["zh", "en", None])
def test_embeddings_of_rows_with_absent_cells_are_written_to_files(bundle, told, tmp_path, first):
    rows = [
        {"en": "a red circle on the right"},
        {"zh": next(row["zh"] for row in told if row["zh"])},
        {},
    ]
    rows = sorted(rows, key=lambda row: next(iter(row), None) != first)
    answers = bundle.predict(rows, embeddings=True)
    for name in ("a.csv", "a.parquet"):
        assert write_rows(iter(answers), tmp_path / name) == 0
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    frame = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    for i, answer in enumerate(answers):
        for column in COLUMNS:
            name = f"alike.embedding.{column}"
            said = json.loads(read[i][name]) if read[i][name] else None
            for z in (said, frame[i][name]):
                assert z == (answer[name] and pytest.approx(answer[name], abs=1e-6))


def test_golden_rows_hold_embeddings(bundle):
    assert bundle.verify() == 4
    _, expected = bundle.bundle.golden()
    assert expected["alike"].shape == (4, 3, 16)
    card = (bundle.path / "README.md").read_text()
    assert "photo → en" in card
    assert "By the modalities" not in card


def test_it_predicts_and_evaluates_without_torch(bundle, table):
    code = f"""
import sys, mmbm
bundle = mmbm.load({str(bundle.path)!r}, verify=True)
assert bundle.evaluate({str(table)!r}) == bundle.metrics["test"]
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("to", "precision"), [("openvino", "float32"), ("onnx", "float16")])
def test_an_export_embeds_the_same(bundle, tmp_path, to, precision):
    made = mmbm.load(bundle.export(to, tmp_path / "out", precision=precision).path, verify=True)
    for label, rows in batches(bundle, golden(bundle)):
        arrays = flatten(batched(bundle, rows), bundle.columns)
        ours, theirs = (
            one.runner.run("answer", one.runner.run("encode", arrays))["alike"]
            for one in (bundle, made)
        )
        assert farthest(ours, theirs) <= TOLERANCES[precision], label


def test_one_file_names_the_columns_of_its_output(bundle, tmp_path):
    import onnx

    path = bundle.export("onnx", tmp_path / "model.onnx").path
    facts = {p.key: p.value for p in onnx.load(str(path)).metadata_props}
    assert json.loads(facts["mmbm.outputs"])["alike"]["values"] == list(COLUMNS)


@pytest.mark.parametrize("chunk", [None, 16])
@pytest.mark.parametrize("step", [4, 5])  # the fifth is an epoch's last
def test_a_stopped_and_resumed_run_ends_with_the_same_weights(
    table, tmp_path, monkeypatch, chunk, step
):
    config = pairs.config(table, ("photo", "en"), epochs=3, micro_batch_size=chunk)
    whole = mmbm.train(config, run=tmp_path / "whole").path
    update = Trainer.update

    def stop(trainer: Trainer, batch) -> None:
        update(trainer, batch)
        trainer.interrupts.stop = trainer.step == step

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", stop)
        with pytest.raises(Interrupted, match=f"Stopped after step {step} of 15"):
            mmbm.train(config, run=tmp_path / "stopped")
    again = mmbm.train(config, run=tmp_path / "stopped", resume=True).path
    ours, theirs = (load_file(path / "weights.safetensors") for path in (whole, again))
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_sounds_and_pictures_match_too_beside_a_target_that_fuses(table, tmp_path, loss):
    config = pairs.config(table, ("photo", "sound", "zh"), epochs=20)
    config["targets"]["alike"] |= {"columns": ["photo", "sound"], "loss": loss}
    config["targets"]["shape"] = {"kind": "category"}
    config["train"]["micro_batch_size"] = 20
    bundle = mmbm.train(config, run=tmp_path / "run")
    scores = bundle.metrics["test"]["targets"]
    assert set(scores["alike"]["pairs"]) == {"photo->sound", "sound->photo"}
    assert scores["alike"]["recall@5"] > 2 * scores["alike"]["chance"]["recall@5"]
    assert set(bundle.metrics["test"]["subsets"]["photo"]) == {"shape"}
    assert mmbm.load(bundle.path, verify=True).predict({})[0]["shape"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ["photo"]}, r"at least 2"),
        ({"columns": ["photo", "photo"]}, "each of them once"),
        (
            {"columns": ["photo", "shape"]},
            r"targets\.alike\.columns: 'shape' is no image, audio or text input; there are: "
            "photo, en, zh",
        ),
        ({"loss": "triplet"}, "infonce"),
        (
            {"zero_shot": {**CLASSES, "text_input": "photo"}},
            r"zero_shot\.text_input: 'photo' is no text column",
        ),
        ({"zero_shot": {**CLASSES, "input": "en"}}, r"zero_shot\.input: 'en' is no other column"),
        ({"zero_shot": {**CLASSES, "templates": ["a"]}}, r"templates: each needs \{\}"),
    ],
)
def test_what_cannot_be_is_said_by_the_config(table, change, message):
    config = pairs.config(table)
    config["targets"]["alike"] |= change
    with pytest.raises(ConfigError, match=message):
        configfile.parse(config)


def test_an_input_that_no_target_reads_is_refused(table):
    config = pairs.config(table)
    config["targets"]["alike"]["columns"] = ["photo", "en"]
    with pytest.raises(ConfigError, match=r"inputs\.zh: no target reads it"):
        configfile.parse(config)


def test_models_of_folds_have_no_common_space(table):
    config = pairs.config(table)
    config["data"]["split"] = {"folds": 3, "then": "ensemble"}
    with pytest.raises(ConfigError, match="a space of its own, so embeddings have no mean"):
        configfile.parse(config)


def test_the_column_of_classes_must_be_there(table, tmp_path):
    config = pairs.config(table)
    config["targets"]["alike"]["zero_shot"] = {**CLASSES, "label_column": "shap"}
    with pytest.raises(TableError, match=r"no column 'shap'.*'shape'"):
        prepare(configfile.parse(config), tmp_path)


def test_init_writes_a_contrastive_target_that_trains(table, tmp_path):
    from mmbm.data.table import open_table
    from mmbm.init import infer, to_yaml

    found = infer(open_table(table), [], contrastive=["photo", "en"])
    text = to_yaml(found, tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    config = configfile.load(tmp_path / "config.yaml")
    assert config.contrastive["contrastive"].columns == ["photo", "en"]
    assert {name: spec.kind for name, spec in config.inputs.items()} == {
        "photo": "image", "en": "text",
    }  # fmt: skip
    assert "fusion" not in text
    assert "share_weights_with" not in text
    both = infer(open_table(table), ["shape"], contrastive=["photo", "zh"])
    assert set(both.targets) == {"shape", "contrastive"}
    assert "sound" in both.inputs


@pytest.mark.parametrize(
    ("contrastive", "message"),
    [
        (["photo"], "'photo' needs another column to align with"),
        (
            ["photo", "size"],
            "'size' is number; a contrastive target aligns pictures, sounds and texts",
        ),
        (["photo", "englisch"], "no column 'englisch'"),
        ([], "or columns to align"),
    ],
)
def test_init_says_what_cannot_be_aligned(table, contrastive, message):
    from mmbm.data.table import open_table
    from mmbm.init import infer

    with pytest.raises(TableError, match=message):
        infer(open_table(table), [], contrastive=contrastive)


def test_it_is_checked_and_goes_on_from_a_bundle(bundle, table, tmp_path):
    from mmbm.data.check import check

    config = pairs.config(table, epochs=1)
    said = check(configfile.parse(config), tmp_path / "cache", tmp_path / "quarantine.csv")
    assert "144 train, 72 valid, 72 test rows" in said[0]
    again = mmbm.train(config, run=tmp_path / "run", start=bundle.path)
    scores = (b.metrics["valid"]["targets"]["alike"]["recall@5"] for b in (again, bundle))
    assert next(scores) > 0.6 * next(scores)
