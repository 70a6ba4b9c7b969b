"""What a client may rely on, asked of a real server."""

import base64
import csv
import io
import json

import httpx
import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from servers import until

import mmbm
from mmbm.serve.model_server import SMALL


@pytest.fixture(scope="module")
def rows(table) -> list[dict]:
    """The inputs of the table's rows, media as data URIs."""

    def uri(path: str) -> str:
        return "data:;base64," + base64.b64encode((table.parent / path).read_bytes()).decode()

    with table.open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    return [
        {
            "photo": uri(row["photo"]),
            "speech": uri(row["speech"]),
            "remark": row["remark"],
            "speed": float(row["speed"]),
            "place": row["place"],
        }
        for row in read
    ]


def same(ours: dict, theirs: dict) -> None:
    theirs = {k: v for k, v in theirs.items() if v is not None}
    ours = {k: v for k, v in ours.items() if v is not None}
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        expected = pytest.approx(value, rel=1e-4, abs=1e-4) if isinstance(value, float) else value
        assert ours[name] == expected


def test_what_is_served_is_what_the_bundle_answers(server, rows, bundle):
    answer = server.post("/predict?explain=true", rows[0])
    assert answer.status_code == 200
    said = answer.json()
    assert said["version"] == bundle.version
    assert said["id"] == answer.headers["x-request-id"]
    (expected,) = bundle.predict(mmbm_row(rows[0]), probabilities=True, explain=True)
    same(said["answer"], expected)


def mmbm_row(row: dict) -> dict:
    media = {k: base64.b64decode(row[k].partition(",")[2]) for k in ("photo", "speech")}
    return {**row, **media}


def test_several_rows_are_answered_in_order_and_a_bad_one_says_why(server, rows, bundle):
    said = server.post(
        "/predict?probabilities=false", {"rows": [rows[0], {"photo": "x.png"}, rows[1]]}
    )
    first, bad, last = said.json()["answers"]
    same(first, bundle.predict(mmbm_row(rows[0]))[0])
    same(last, bundle.predict(mmbm_row(rows[1]))[0])
    assert bad["column"] == "photo"
    assert "a path or URL is not allowed here" in bad["error"]


def test_large_and_small_media_together_are_answered_as_the_bundle_does(server, rows, bundle):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")  # noise: it can't be packed
    large = base64.b64encode(file.getvalue()).decode()
    assert len(large) > SMALL > len(rows[0]["photo"]) + len(rows[0]["speech"])
    asked = [{**row, "photo": large} if i % 2 else row for i, row in enumerate(rows[:6])]
    said = server.post("/predict?probabilities=false", {"rows": asked}).json()["answers"]
    for answer, row in zip(said, asked):
        raw = row["photo"].rpartition(",")[2]
        expected = {**mmbm_row(row), "photo": base64.b64decode(raw)}
        same(answer, bundle.predict(expected)[0])


def test_any_input_may_be_left_out(server, bundle):
    for row in ({}, {"remark": "it looks red"}, {"remark": None, "speed": 21}):
        said = server.post("/predict?probabilities=false", row)
        same(said.json()["answer"], bundle.predict(row)[0])


def test_files_are_taken_as_a_form(server, table, rows, bundle):
    files = {
        "photo": ("0.png", (table.parent / "media/0.png").read_bytes(), "image/png"),
        "speech": ("0.wav", (table.parent / "media/0.wav").read_bytes()),
    }
    data = {"remark": rows[0]["remark"], "speed": "1.5"}
    said = httpx.post(f"{server.url}/predict?probabilities=false", files=files, data=data)
    raw = {"photo": files["photo"][1], "speech": files["speech"][1], **data}
    same(said.json()["answer"], bundle.predict(raw)[0])


def test_json_lines_are_answered_line_by_line(server, rows, bundle):
    lines = [json.dumps(row) for row in rows[:40]]
    lines[3:3] = ["", "no json", '{"nonsense": 1}', '{"speed": "fast"}']
    said = httpx.post(
        f"{server.url}/predict/batch?probabilities=false", content="\n".join(lines), timeout=60
    )
    answers = [json.loads(line) for line in said.text.splitlines()]
    assert len(answers) == 43  # an empty line is no row
    same(answers[0], bundle.predict(mmbm_row(rows[0]))[0])
    same(answers[42], bundle.predict(mmbm_row(rows[39]))[0])
    assert answers[3] == {"error": answers[3]["error"], "row": 4}
    assert "not JSON" in answers[3]["error"]
    assert "'nonsense' is not an input" in answers[4]["error"]
    assert answers[5]["column"] == "speed"


def test_answers_come_while_the_rows_still_do(server):
    """A client may wait for each answer before it sends the next row."""
    import socket

    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(
            b"POST /predict/batch HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        row = b'{"remark": "red"}\n'
        line.sendall(b"%x\r\n%b\r\n" % (len(row), row))
        received = b""
        while b"label.confidence" not in received:
            received += line.recv(65536)
        line.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(row), row))
        while not received.endswith(b"0\r\n\r\n"):
            received += line.recv(65536)
    assert received.count(b"label.confidence") == 2


def test_a_parquet_table_is_answered_row_by_row(server, rows, bundle):
    file = io.BytesIO()
    import pyarrow as pa

    plain = [mmbm_row(row) | {"label": "red"} for row in rows]
    pyarrow.parquet.write_table(pa.Table.from_pylist(plain), file)
    said = httpx.post(
        f"{server.url}/predict/batch?probabilities=false", content=file.getvalue(), timeout=60
    )
    answers = [json.loads(line) for line in said.text.splitlines()]
    expected = bundle.predict([{k: v for k, v in row.items() if k != "label"} for row in plain])
    assert len(answers) == len(expected) == 96
    for ours, theirs in zip(answers, expected):
        same(ours, theirs)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 422, "A row is an object"),
        (b'{"rows": [3]}', 422, "A row is an object"),
        (b'{"phot": 1}', 422, "'phot' is not an input of"),
        (b'{"photo": "/etc/passwd"}', 422, "a path or URL is not allowed here"),
        (b'{"photo": "http://localhost/p.png"}', 422, "a path or URL is not allowed here"),
        (b'{"photo": "file:///etc/passwd"}', 422, "a path or URL is not allowed here"),
        (b'{"photo": {"path": "/etc/passwd"}}', 422, "a path or URL is not allowed here"),
        (b'{"photo": "data:image/png;base64,AAAA"}', 422, "is not a picture"),
        (b'{"remark": {"a": 1}}', 422, "is a dict, not one value"),
        (b'{"remark": "\\ud800"}', 422, "surrogate"),
        (b'{"speed": NaN, "place": 1e999}', 200, ""),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_the_column_and_the_reason(server, body, status, words):
    said = httpx.post(
        f"{server.url}/predict", content=body, headers={"content-type": "application/json"}
    )
    assert said.status_code == status, said.text
    assert words in said.text
    assert "Traceback" not in said.text


def test_other_ways_to_ask_wrongly(server):
    assert server.get("/nowhere").json()["error"]["message"] == "Not Found"
    assert server.get("/predict").status_code == 405
    assert (
        httpx.post(
            f"{server.url}/predict", content=b"x", headers={"content-type": "text/plain"}
        ).status_code
        == 415
    )
    assert "explain" in server.post("/predict?explain=banana", {}).text
    broken = httpx.post(
        f"{server.url}/predict", content=b"x", headers={"content-type": "multipart/form-data"}
    )
    assert broken.status_code == 400
    junk = httpx.post(f"{server.url}/predict/batch", content=b"PAR1" + b"x" * 100)
    assert (junk.status_code, junk.json()["error"]["reason"]) == (400, "parquet")


def test_every_answer_forbids_guessing_framing_and_caching(server):
    for answer in (server.get("/models"), server.get("/nowhere"), server.post("/predict", {})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_request_keeps_the_id_it_came_with_unless_it_is_strange(server):
    named = httpx.get(f"{server.url}/models", headers={"x-request-id": "order-66"})
    assert named.headers["x-request-id"] == "order-66"
    strange = httpx.get(f"{server.url}/models", headers={"x-request-id": 'a b"{'})
    assert strange.headers["x-request-id"] != 'a b"{'


def test_every_request_is_one_line_of_the_log(server):
    server.post("/predict", {"remark": "red"}, headers={"x-request-id": "find-me"})

    def found() -> list[dict]:
        lines = server.log.read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["id"] == "find-me"]

    (line,) = until(found)  # it is written after the answer is sent
    assert (line["method"], line["path"], line["status"], line["rows"]) == (
        "POST",
        "/predict",
        200,
        1,
    )
    assert line["ms"] > 0


def test_metrics_count_requests_stages_cells_and_refusals(server):
    server.post("/predict", {"remark": "red"})
    server.post("/predict", {"photo": "nonsense"})
    page = server.get("/metrics").text
    for series in (
        'mmbm_requests_total{method="POST",route="/predict",status="200"}',
        'mmbm_stage_seconds_bucket{le="0.001",',
        'mmbm_cells_total{column="photo",model="tiny",state="bad"}',
        'mmbm_rejected_total{reason="bad_cell"}',
        "mmbm_batch_rows_count",
        "mmbm_model_info",
    ):
        assert series in page, series


def test_the_schema_has_an_example_of_each_model_that_works_when_pasted(server):
    schema = server.get("/openapi.json").json()
    paths = [path for path in schema["paths"] if path.endswith("/predict")]
    assert paths == ["/predict", "/models/tiny/predict"]
    for path in paths:
        content = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            assert server.post(path, example["value"]).status_code == 200
        row = content["schema"]["anyOf"][0]
        assert set(row["properties"]) == {"photo", "speech", "remark", "speed", "place"}


def test_the_client_answers_as_the_bundle_does(server, table, bundle):
    with mmbm.Client(server.url) as client:
        answers = client.predict(table, probabilities=True, explain=True)
        expected = bundle.predict(table, probabilities=True, explain=True)
        assert len(answers) == len(expected) == 96
        for ours, theirs in zip(answers, expected):
            same(ours, theirs)
        (missing, good) = client.predict([{"photo": "nowhere.png"}, {"remark": "red"}])
        assert missing == {"error": "photo: the file does not exist"}
        same(good, bundle.predict({"remark": "red"})[0])
        with pytest.raises(mmbm.MmbmError, match="'nonsense' is not an input"):
            client.predict({"nonsense": 1})


def test_a_client_says_where_nobody_answers():
    with pytest.raises(mmbm.MmbmError, match=r"http://127.0.0.1:9 can't be reached"):
        mmbm.Client("http://127.0.0.1:9")


def test_a_row_whose_sound_claims_an_absurd_rate_is_one_bad_row(server):
    bad = {"speech": {"array": [0, 0.1], "sampling_rate": 2**31}}
    said = server.post("/predict", {"rows": [{"remark": "red"}, bad, {"remark": "red"}]})
    first, second, third = said.json()["answers"]
    assert first["error"] is third["error"] is None
    assert second["column"] == "speech"


@pytest.mark.parametrize("media", ["application/vnd.apache.parquet", "application/x-ndjson"])
def test_an_empty_body_of_a_batch_is_refused(server, media):
    answer = server.post("/predict/batch", content=b"", headers={"content-type": media})

    assert answer.status_code == 400
    assert "empty (0 bytes)" in answer.json()["error"]["message"]


def test_what_is_sent_as_parquet_is_read_as_parquet(server):
    head = {"content-type": "application/vnd.apache.parquet"}
    answer = server.post("/predict/batch", content=b"PA", headers=head)

    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, "parquet")
