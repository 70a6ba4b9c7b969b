"""The command line, as a stranger meets it: every test starts a real process."""

import csv
import json
import os
import subprocess
import sys

import pyarrow.parquet as parquet
import pytest
import tiny
import yaml

METRICS = {
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "auroc",
    "log_loss",
    "calibration_error",
}


def mmbm(*arguments, cwd=None, status=0):
    """Run `mmbm …`; its output and messages."""
    command = [sys.executable, "-m", "mmbm.cli", *map(str, arguments)]
    # Wide, so that a usage message isn't wrapped in the middle of a word that a test looks for.
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def message(*arguments, cwd=None):
    """What someone reads who has something to mend: one line, status 1, nothing on stdout."""
    done = mmbm(*arguments, cwd=cwd, status=1)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture(scope="module")
def config_path(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "small.yaml"
    config = tiny.config(table, epochs=1)
    config["inputs"] = {name: config["inputs"][name] for name in ("photo", "remark")}
    path.write_text(yaml.safe_dump(config))
    return path


def test_help_needs_none_of_the_heavy_packages():
    code = """
import sys
sys.argv = ["mmbm", "--help"]
from mmbm.cli import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None)
heavy = {"torch", "onnxruntime", "pyarrow", "numpy", "PIL", "pydantic"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for verb in ("init", "train", "evaluate", "predict"):
        assert verb in done.stdout


def test_the_whole_way_from_a_table_to_answers(table, tmp_path):
    columns = ["photo", "remark", "speed"]
    only = [word for name in columns for word in ("--only", name)]
    mmbm("init", table, "--target", "label", *only, "--from-scratch", "-o", tmp_path / "c.yaml")
    assert "#" in (tmp_path / "c.yaml").read_text(), "a config explains itself in comments"
    small = ["train.epochs=1", "train.threads=1", "inputs.photo.size=12", "data.split=split"]
    sets = [word for text in small for word in ("--set", text)]
    done = mmbm("train", "c.yaml", *sets, "--json", cwd=tmp_path)
    bundle = tmp_path / "runs" / "c" / "bundle"
    assert (bundle / "manifest.json").exists()
    trained = json.loads(done.stdout)
    done = mmbm("evaluate", bundle, table, "--json")
    assert json.loads(done.stdout)["rows"] == trained["rows"] == 12
    mmbm("predict", bundle, table, "-o", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 96
    assert set(answers[0]) == {"label", "label.confidence", "error"}


def test_evaluate_prints_exactly_the_promised_json(bundle_path):
    report = json.loads(mmbm("evaluate", bundle_path, "--json").stdout)
    assert set(report) == {"rows", "targets", "subsets", "compared"}
    assert report["rows"] == 12
    assert set(report["targets"]) == {"label", "amount", "tags"}
    label = report["targets"]["label"]
    assert METRICS | {"interval"} <= set(label)
    low, high = label["interval"]
    assert low <= label["accuracy"] <= high
    assert {"mae", "rmse", "r2", "interval"} <= set(report["targets"]["amount"])
    assert {"micro_f1", "interval"} <= set(report["targets"]["tags"])
    names = ["photo", "speech", "remark", "table"]
    assert len(report["subsets"]) == 2 ** len(names) - 1
    assert report["subsets"]["+".join(names)]["label"] == label["accuracy"]
    assert set(report["subsets"]["photo+speech"]) == {"label", "amount", "tags"}


def test_evaluate_prints_a_table_for_people(bundle_path):
    shown = mmbm("evaluate", bundle_path).stdout
    assert "balanced_accuracy" in shown
    assert "photo+speech+remark+table" in shown


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_unreadable_row_has_an_error_and_predict_succeeds(bundle_path, table, tmp_path, ending):
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:3]
    for row in rows:
        row["photo"], row["speech"] = (str(table.parent / row[n]) for n in ("photo", "speech"))
    rows[1]["photo"] = "gone.png"
    broken = tmp_path / "rows.csv"
    with broken.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    out = tmp_path / f"out.{ending}"
    done = mmbm("predict", bundle_path, broken, "-o", out)
    assert "1 rows can't be read" in done.stderr
    if ending == "csv":
        answers = list(csv.DictReader(out.open(encoding="utf-8")))
    elif ending == "jsonl":
        answers = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    else:
        answers = parquet.read_table(out).to_pylist()
    assert [bool(a.get("error")) for a in answers] == [False, True, False]
    assert answers[1]["error"] == "photo: the file does not exist"
    assert answers[0]["label"] in tiny.COLOURS


def test_one_row_is_answered_on_the_spot(bundle_path, table):
    photo = table.parent / "media" / "0.png"
    cells = ["--cell", f"photo={photo}", "--cell", "speed=0.5"]
    done = mmbm("predict", bundle_path, *cells, "--probabilities", "--explain", "--verify")
    answer = json.loads(done.stdout)
    assert answer["label"] in tiny.COLOURS
    assert sum(answer[f"label.p.{name}"] for name in tiny.COLOURS) == pytest.approx(1, abs=1e-5)
    assert "label.attribution.photo" in answer


def test_an_answer_below_the_asked_confidence_is_not_sure(bundle_path):
    done = mmbm("predict", bundle_path, "--cell", "speed=10", "--abstain-below", "1")
    assert json.loads(done.stdout)["label"] == "not sure"


def test_an_unknown_key_names_the_nearest(config_path):
    said = message("train", config_path, "--set", "train.epoch=3")
    assert "unknown key 'train.epoch'. Did you mean 'epochs'?" in said


def test_a_value_of_the_wrong_type_names_its_key(config_path):
    assert "train.epochs" in message("train", config_path, "--set", "train.epochs=many")


def test_a_missing_config_table_or_column_is_one_sentence(config_path, bundle_path, tmp_path):
    assert "There is no config" in message("train", tmp_path / "no.yaml")
    assert "no.csv" in message("init", tmp_path / "no.csv", "--target", "label")
    said = message("train", config_path, "--set", "data.table=no.csv", cwd=tmp_path)
    assert "no.csv" in said
    table = tmp_path / "t.csv"
    table.write_text("lable,x\na,1\nb,2\n")
    assert "Did you mean 'lable'?" in message("init", table, "--target", "label")
    assert "no column 'photo'" in message("predict", bundle_path, table)


def test_a_folder_that_is_no_bundle_is_one_sentence(tmp_path):
    assert "is not a bundle" in message("evaluate", tmp_path)


def test_an_unknown_output_format_is_one_sentence(bundle_path, table, tmp_path):
    said = message("predict", bundle_path, table, "-o", tmp_path / "out.xlsx")
    assert ".csv, .jsonl or .parquet" in said


@pytest.mark.parametrize(
    "arguments",
    [["fly"], ["train"], ["train", "--fly"], ["predict", "bundle"],
     ["predict", "bundle", "t.csv", "--cell", "a=b"]],
    ids=lambda a: " ".join(a),
)  # fmt: skip
def test_wrong_usage_has_status_2(arguments):
    assert "Usage" in mmbm(*arguments, status=2).stderr


def test_a_place_that_cannot_be_written_is_one_line(bundle_path, table, tmp_path):
    (tmp_path / "file").write_text("")
    said = message("predict", bundle_path, table, "-o", tmp_path / "file" / "sub" / "out.csv")
    assert "Not a directory" in said


def test_an_interrupted_command_says_so():
    code = """
import sys
from mmbm import cli
from mmbm.config import load as configfile
def load(*_):
    raise KeyboardInterrupt
configfile.load, sys.argv = load, ["mmbm", "check", "a.yaml"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (130, "mmbm: interrupted.")


def test_export_says_what_moved_and_where_it_is(bundle_path, table, tmp_path):
    options = ["--precision", "int8", "-o", tmp_path / "int8", "--table", table]
    done = mmbm("export", bundle_path, "--to", "onnx", *options)
    assert "label: moved by" in done.stdout
    assert "amount: rmse" in done.stdout
    assert f"Wrote {tmp_path / 'int8'}" in done.stdout
    rows = mmbm("predict", tmp_path / "int8", table, "--verify").stdout.splitlines()
    assert len(rows) == 96
    done = mmbm("export", bundle_path, "--to", "onnx", "-o", tmp_path / "model.onnx", "--json")
    assert json.loads(done.stdout)["precision"] == "float32"


def test_export_and_runner_mistakes_are_one_sentence(bundle_path, table, tmp_path):
    told = message("export", bundle_path, "--to", "tflite")
    assert "formats: onnx, openvino, litert" in told
    options = ["--precision", "int8", "--tolerance", "0", "-o", tmp_path / "out"]
    assert "more than its tolerance 0" in message("export", bundle_path, "--to", "onnx", *options)
    assert "mmbm export" in message("predict", bundle_path, table, "--runner", "litert")
    assert list(tmp_path.iterdir()) == []


def test_a_runner_of_ones_own_choice_predicts_and_evaluates(bundle_path, table):
    ours, theirs = (
        [
            json.loads(row)
            for row in mmbm("predict", bundle_path, table, *options).stdout.split("\n")
            if row
        ]
        for options in ([], ["--runner", "openvino"])
    )
    assert [row["label"] for row in ours] == [row["label"] for row in theirs]
    report = json.loads(
        mmbm("evaluate", bundle_path, table, "--runner", "openvino", "--json").stdout
    )
    assert report["rows"] == 12
