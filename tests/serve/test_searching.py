"""A server with an index: what it finds, and what it refuses."""

import base64
import csv
import shutil
import signal

import pairs
import pytest
from servers import fuzz, serving, until

import mmbm
from mmbm.errors import MmbmError


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return pairs.make(tmp_path_factory.mktemp("pairs"), 144)


@pytest.fixture(scope="module")
def index(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("found")
    bundle = mmbm.train(pairs.config(pictures, ("photo", "en"), epochs=12), run=folder / "pairs")
    return bundle.index(pictures, folder / "index")


@pytest.fixture(scope="module")
def searching(index, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server"), index.bundle.path, "--index", index.path) as s:
        yield s


@pytest.fixture(scope="module")
def photo(pictures):
    return (pictures.parent / "media/0.png").read_bytes()


def assert_found(told: list[dict], expected) -> None:
    assert [one["row"] for one in told] == [one.row for one in expected]
    plain = [{k: v for k, v in one.cells.items() if k != "photo"} for one in expected]
    assert [one["cells"] for one in told] == plain  # not where its images are
    assert [one["score"] for one in told] == pytest.approx([o.score for o in expected], abs=1e-4)


def test_the_server_finds_what_the_index_finds(searching, index, photo):
    ask = {"en": "a red circle on the left"}
    said = searching.post("/search?k=5&where=size > 4", ask)
    assert said.status_code == 200
    assert said.json()["version"] == index.bundle.version
    assert_found(said.json()["found"], index.search(ask, 5, where="size > 4"))
    uri = "data:image/png;base64," + base64.b64encode(photo).decode()
    expected = index.search({"photo": photo}, 10)
    assert_found(searching.post("/search", {"photo": uri}).json()["found"], expected)
    form = searching.post("/search", files={"photo": ("0.png", photo, "image/png")})
    assert_found(form.json()["found"], expected)
    assert_found(
        searching.post("/models/pairs/search?of=photo", {"photo": uri}).json()["found"],
        index.search({"photo": photo}, 10, of="photo"),
    )


def test_no_path_of_the_machine_is_told(searching, pictures):
    said = searching.post("/search?k=100", {"en": "a red circle on the left"}).text
    assert str(pictures.parent) not in said
    assert "mmbm_" not in said


@pytest.mark.parametrize(
    ("query", "row", "reason", "message"),
    [
        ("", {}, "search", "Give a cell to search by"),
        ("?of=zh", {"en": "x"}, "search", "no embeddings of 'zh'"),
        ("?where=sise > 2", {"en": "x"}, "search", "no column 'sise'"),
        ("?where=" + "x" * 1001, {"en": "x"}, "search", "more than 1000"),
        ("?k=0", {"en": "x"}, "search", "from 1 to 1000"),
        ("?k=many", {"en": "x"}, "parameter", "k is a number of rows"),
        ("?near=1", {"en": "x"}, "parameter", "k, of and where are all"),
        ("", {"photo": "/etc/hostname"}, "bad_cell", "a path or URL is not allowed here"),
        ("", {"rows": [{"en": "x"}]}, "row", "by one row"),
        ("", {"colour": "red"}, "unknown_column", "'colour' is not an input"),
    ],
)
def test_a_wrong_search_is_refused(searching, query, row, reason, message):
    said = searching.post(f"/search{query}", row)
    assert said.status_code == 422
    assert said.json()["error"]["reason"] == reason
    assert message in said.json()["error"]["message"]


def test_the_client_searches_as_the_index_does(searching, index, pictures):
    with mmbm.Client(searching.url) as client:
        ours = client.search({"photo": "media/3.png"}, 4, root=pictures.parent, where="size > 4")
        theirs = index.search({"photo": "media/3.png"}, 4, root=pictures.parent, where="size > 4")
        assert [one.row for one in ours] == [one.row for one in theirs]
        assert {**ours[0].cells, "photo": theirs[0].cells["photo"]} == theirs[0].cells
        with pytest.raises(MmbmError, match="photo: the file does not exist"):
            client.search({"photo": "nothing.png"})
        with pytest.raises(MmbmError, match="422, where"):
            client.search({"en": "x"}, where="1 +")


def test_predict_tells_how_alike_cells_are(searching, index, pictures):
    with pictures.open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["photo"] and row["en"])
    cells = {"photo": (pictures.parent / row["photo"]).read_bytes(), "en": row["en"]}
    (expected,) = index.bundle.predict(cells)
    said = searching.post("/predict", data={"en": row["en"]}, files={"photo": cells["photo"]})
    assert said.json()["answer"]["alike"] == pytest.approx(expected["alike"], abs=1e-4)


def test_examples_of_the_documentation_work_and_searches_are_counted(searching):
    document = searching.get("/openapi.json").json()
    search = document["paths"]["/search"]["post"]
    examples = search["requestBody"]["content"]["application/json"]["examples"]
    assert set(examples) == {"photo", "en"}
    for example in examples.values():
        assert searching.post("/search", example["value"]).status_code == 200
    assert {p["name"] for p in search["parameters"]} == {"k", "of", "where"}
    page = searching.get("/metrics").text
    assert 'route="/search",status="200"' in page
    assert 'mmbm_stage_seconds_count{model="pairs",stage="search"}' in page
    (model,) = searching.get("/models").json()
    assert model["index"]["columns"] == ["photo", "en"]


def test_a_model_without_an_index_has_no_search(index, tmp_path):
    with serving(tmp_path, index.bundle.path) as server:
        assert server.post("/search", {"en": "x"}).status_code == 404
        assert "/search" not in server.get("/openapi.json").json()["paths"]


def test_an_index_of_another_bundle_is_not_served(index, bundle_path, tmp_path):
    from mmbm.errors import BundleError, ConfigError
    from mmbm.serve.start import serve

    with pytest.raises(BundleError, match="made with version"):
        serve(bundle_path, indexes=[str(index.path)], port=0)
    with pytest.raises(ConfigError, match="--index 'other=x': write NAME=INDEX"):
        serve(index.bundle.path, indexes=["other=x"], port=0)


def test_a_new_index_of_a_new_bundle_takes_over_together(index, pictures, tmp_path):
    """A reload takes both or neither."""
    place, found = tmp_path / "pairs/bundle", tmp_path / "index"
    shutil.copytree(index.bundle.path, place)
    mmbm.load(place).index(pictures, found)
    config = pairs.config(pictures, ("photo", "en"), epochs=1)
    other = mmbm.train(config, run=tmp_path / "other")
    with serving(tmp_path, place, "--index", found) as server:
        shutil.rmtree(place)
        shutil.copytree(other.path, place)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the old version goes on" in server.said.read_text())
        first = server.post("/search", {"en": "x"}).json()
        assert first["version"] == index.bundle.version
        mmbm.load(place).index(pictures, found)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: f"version {other.version} answers" in server.said.read_text())
        assert server.post("/search", {"en": "x"}).json()["version"] == other.version


@pytest.mark.slow
def test_a_fuzzer_finds_no_search_that_breaks_it(searching):
    statuses = fuzz(searching, "--include-path-regex", "search$", "-n", "150")
    assert len(statuses) > 200
    assert max(statuses) < 500
    assert searching.post("/search", {"en": "a red circle"}).status_code == 200


def test_where_media_are_is_neither_told_nor_asked_for(searching):
    ask = {"en": "a red circle on the left"}
    assert all(
        "photo" not in one["cells"] for one in searching.post("/search", ask).json()["found"]
    )
    said = searching.post("/search?where=photo like '/%25'", ask)
    assert said.status_code == 422
    assert "no column 'photo'" in said.text
    assert "photo" not in searching.get("/models").json()[0]["index"]["fields"]
