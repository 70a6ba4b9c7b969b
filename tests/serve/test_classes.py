"""A served model whose classes are truth values, asked for values that training never saw."""

import json

import numpy as np
import pandas as pd
import pytest
from servers import serving

import mmbm


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    x = np.arange(40) % 2
    frame = pd.DataFrame({"x": x + 0.1, "flag": x == 1, "on": x == 1})
    frame["tags"] = [[1, 7] if one else [1] for one in x]
    config = {
        "data": {"table": "t.csv"},
        "inputs": {"x": {"kind": "number"}, "flag": {"kind": "category"}},
        "targets": {"on": {"kind": "category"}, "tags": {"kind": "labels"}},
        "train": {"epochs": 12, "batch_size": 8, "lr": 0.01, "golden_rows": 2},
    }
    bundle = mmbm.train(config, table=frame, run=folder / "run")
    with serving(folder, bundle.path) as running:
        yield running


def test_an_answer_is_true_or_false_in_json(server):
    answers = server.post("/predict", {"rows": [{"x": 1.1, "flag": "yes"}, {"x": 0.1, "flag": 0}]})
    assert [one["on"] for one in answers.json()["answers"]] == [True, False]
    assert answers.json()["answers"][0]["on.p.true"] > 0.5


def test_cells_that_training_never_saw_are_counted(server):
    server.post("/predict", {"x": 1.1, "flag": "perhaps"})
    series = 'mmbm_cells_total{column="flag",model="run",state="unseen"} 1.0'
    assert series in server.get("/metrics").text


def test_an_answer_tells_which_of_its_cells_training_never_saw(server, capfd):
    single = server.post("/predict", {"x": 1.1, "flag": "perhaps"}).json()["answer"]
    message = "The cell of column 'flag' holds a value that training never saw: 'perhaps'."
    assert single["unseen"] == [{"column": "flag", "value": "perhaps", "message": message}]
    rows = [{"x": 1.1, "flag": "yes"}, {"x": 1.1, "flag": "no idea"}]
    some = server.post("/predict", {"rows": rows}).json()["answers"]
    assert ["unseen" in answer for answer in some] == [False, True]
    lines = server.post("/predict/batch", content="\n".join(map(json.dumps, rows)).encode())
    assert ["unseen" in json.loads(line) for line in lines.text.splitlines()] == [False, True]
    with mmbm.Client(server.url) as client:
        answers = client.predict(rows)
    assert all("unseen" not in answer for answer in answers)
    assert "1 of 2 cells of column 'flag' hold values that training never saw" in (
        capfd.readouterr().err.replace("\n", " ")
    )


@pytest.mark.parametrize("value", ["\\ud800", "\\u0000", "x" * 10_000])
def test_any_text_that_training_never_saw_is_told(server, value):
    body, head = f'{{"flag": "{value}"}}'.encode(), {"content-type": "application/json"}
    answer = server.post("/predict", content=body, headers=head)
    assert answer.status_code == 200
    assert answer.json()["answer"]["unseen"][0]["column"] == "flag"
    assert server.post("/predict/batch", content=body).status_code == 200


def test_a_key_that_stands_twice_is_refused(server):
    body, head = b'{"x": 1, "x": 2}', {"content-type": "application/json"}
    answer = server.post("/predict", content=body, headers=head)
    assert answer.status_code == 400
    assert "'x' stands twice" in answer.json()["error"]["message"]
    lines = server.post("/predict/batch", content=body + b'\n{"x": 1}\n').text.splitlines()
    assert "stands twice" in json.loads(lines[0])["error"]
    assert json.loads(lines[1])["error"] is None


def test_labels_are_answered_as_the_numbers_they_were(server):
    answer = server.post("/predict", {"x": 1.1}).json()["answer"]
    assert answer["tags"] == [1, 7]
    assert answer["tags.p.7"] > 0.5


def test_a_json_schema_of_openai_is_promised_in_the_type_of_the_classes(server):
    def asked(kind):
        schema = {"type": "object", "properties": {"on": {"type": kind}}}
        form = {"type": "json_schema", "json_schema": {"name": "on", "schema": schema}}
        body = {"model": "run", "messages": [{"role": "user", "content": ""}], "row": {"x": 1.1}}
        return server.post("/v1/chat/completions", {**body, "response_format": form})

    assert asked("boolean").json()["choices"][0]["message"]["content"] == '{"on": true}'
    assert asked("string").status_code == 400
