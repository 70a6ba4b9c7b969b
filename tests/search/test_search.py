"""An index of a table and what is found in it."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest

import mmbm
from mmbm.errors import BundleError, MmbmError, TableError
from mmbm.search import SAMPLE


@pytest.fixture(scope="module")
def rows(pictures):
    with pictures.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def mmbm_cli(*arguments, check=True):
    command = [sys.executable, "-m", "mmbm.cli", *map(str, arguments)]
    return subprocess.run(command, check=check, capture_output=True, text=True)


def test_a_sentence_finds_its_pictures(index, rows):
    found = index.search({"en": "a violet cross on the left"}, 5)
    assert [one.cells["shape"] for one in found].count("cross") >= 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        assert one.cells["photo"] == rows[one.row - 1]["photo"]
        assert one.media["photo"].endswith(one.cells["photo"])


def test_what_is_found_is_what_a_plain_comparison_finds(index, bundle, pictures, rows):
    answers = bundle.predict(pictures, embeddings=True)
    query = answers[0]["alike.embedding.photo"]
    near = {
        i: float(np.dot(query, one["alike.embedding.zh"]))
        for i, one in enumerate(answers, 1)
        if one["alike.embedding.zh"]
    }
    found = index.search({"photo": rows[0]["photo"]}, 1000, of="zh", root=pictures.parent)
    assert {one.row for one in found} == set(near)  # a row without the cell isn't found
    for one in found:
        assert one.score == pytest.approx(near[one.row], abs=1e-4)


def test_the_first_column_that_is_not_given_is_searched_unless_one_is_named(index):
    ask = {"en": "a red circle on the right"}
    assert index.search(ask, 3) == index.search(ask, 3, of="photo")
    (itself, *_) = index.search(ask, 1, of="en")
    assert itself.score == pytest.approx(1, abs=1e-5)


def test_filters_are_conditions_on_the_tables_columns(index, rows):
    ask = {"zh": "左边的红色圆形"}
    for one in index.search(ask, 20, where="size > 5 and shape = 'square'"):
        assert int(rows[one.row - 1]["size"]) > 5
        assert rows[one.row - 1]["shape"] == "square"
    assert index.search(ask, where="size > 100") == []


@pytest.mark.parametrize(
    ("ask", "options", "message"),
    [
        ({}, {}, "Give a cell to search by: photo, en, zh"),
        ({"colour": "red"}, {}, "'colour' is no column of 'alike'; it has photo, en, zh"),
        ({"en": "x"}, {"of": "sound"}, "no embeddings of 'sound'; it has photo, en, zh"),
        ({"en": "x"}, {"where": "sise > 2"}, "no column 'sise'.*size.*size, split"),
        ({"en": "x"}, {"where": "size >"}, "size is compared with a number"),
        ({"en": "x"}, {"k": 0}, "from 1 to 1000"),
        ({"photo": "nowhere.png"}, {}, "photo: the file does not exist"),
    ],
)
def test_a_wrong_search_is_said(index, ask, options, message):
    with pytest.raises(MmbmError, match=message):
        index.search(ask, **options)


def test_rows_that_cannot_be_read_are_listed_and_not_found(bundle, pictures, rows, tmp_path):
    folder = shutil.copytree(pictures.parent, tmp_path / "table")
    (folder / rows[7]["photo"]).write_bytes(b"no picture")
    (folder / rows[8]["photo"]).unlink()
    frame = pandas.read_csv(folder / "data.csv")
    frame.loc[9, ["photo", "en", "zh"]] = None
    frame.to_csv(folder / "data.csv", index=False)
    made = bundle.index(folder / "data.csv", tmp_path / "index")
    with (tmp_path / "index/quarantine.csv").open(encoding="utf-8") as file:
        bad = list(csv.DictReader(file))
    assert [row["row"] for row in bad] == ["8", "9", "10"]
    assert bad[0]["path"] == str(folder / rows[7]["photo"])
    assert bad[1]["reason"] == "the file does not exist"
    assert bad[2]["reason"].startswith("are empty")
    assert len(made) == len(rows) - 3
    assert not {8, 9, 10} & {one.row for one in made.search({"en": "a"}, 1000)}


def test_a_table_may_have_only_some_of_the_columns(bundle, pictures, tmp_path):
    frame = pandas.read_csv(pictures)[["photo", "split"]]
    frame["photo"] = [
        str(pictures.parent / p) if isinstance(p, str) else None for p in frame["photo"]
    ]
    made = bundle.index(frame, tmp_path / "index")
    assert made.about.indexed == ["photo"]
    (first,) = made.search({"en": "a blue square on the left"}, 1)
    assert pandas.read_csv(pictures).loc[first.row - 1, "shape"] == "square"
    with pytest.raises(TableError, match="none of the columns of 'alike': photo, en, zh"):
        bundle.index(frame[["split"]], tmp_path / "other")


def test_an_index_with_nothing_in_it_is_an_error(bundle, tmp_path):
    frame = pandas.DataFrame({"photo": ["a.png", "b.png"]})
    with pytest.raises(TableError, match=r"no row can be indexed; the first, row 1, photo: the f"):
        bundle.index(frame, tmp_path / "index")
    assert (tmp_path / "index/quarantine.csv").read_text().count("\n") == 3
    with pytest.raises(MmbmError, match="is no index"):
        mmbm.load_index(tmp_path / "index")
    bundle.index(pandas.DataFrame({"en": ["red"]}), tmp_path / "index")
    with pytest.raises(TableError, match="no row can be indexed"):
        bundle.index(frame, tmp_path / "index")
    assert len(mmbm.load_index(tmp_path / "index")) == 1  # the older one stays


def test_an_index_is_replaced_and_nothing_else_is(bundle, pictures, tmp_path):
    bundle.index(pictures, tmp_path / "index")
    again = bundle.index(pandas.read_csv(pictures)[["en", "size"]].head(40), tmp_path / "index")
    assert len(mmbm.load_index(tmp_path / "index")) == len(again) < 41
    with pytest.raises(MmbmError, match="is there, and is no index"):
        bundle.index(pictures, pictures.parent)


def test_another_bundle_does_not_search_it(index, bundle, bundle_path, tmp_path):
    copy = shutil.copytree(bundle.path, tmp_path / "bundle")
    assert len(mmbm.load_index(index.path, copy)) == len(index)
    with pytest.raises(BundleError, match=r"made with version .*mmbm index"):
        mmbm.load_index(index.path, bundle_path)
    with pytest.raises(BundleError, match="no target of kind contrastive"):
        mmbm.load(bundle_path).index("x.csv", tmp_path / "x")


def test_a_bundle_that_is_gone_is_asked_for(bundle, pictures, tmp_path):
    moved = shutil.copytree(bundle.path, tmp_path / "bundle")
    mmbm.load(moved).index(pictures, tmp_path / "index")
    moved.rename(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=r"isn't there any more.*--bundle"):
        mmbm.load_index(tmp_path / "index")
    assert mmbm.load_index(tmp_path / "index", tmp_path / "elsewhere").search({"en": "a"}, 1)


def test_columns_keep_their_types_and_codes_their_zeros(bundle, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text('en,zip,price,year,a.b\nred,007,1.5,2014,x\nblue,010,NA,2016,"y"\n')
    made = bundle.index(table, tmp_path / "index")
    cells = {one.row: one.cells for one in made.search({"en": "red"}, of="en")}
    assert cells[1] == {"en": "red", "zip": "007", "price": 1.5, "year": 2014, "a.b": "x"}
    assert cells[2]["price"] is None
    (only,) = made.search({"en": "red"}, of="en", where="year > 2015 and a_b = 'y'")
    assert only.row == 2
    frame = pandas.DataFrame({"en": ["red", "blue"], "x": [1.5, None], "y": [True, False]})
    (one, other) = bundle.index(frame, tmp_path / "frame").search({"en": "red"}, of="en")
    assert (one.cells["x"], one.cells["y"], other.cells["x"]) == (1.5, True, None)
    table.write_text("en,a.b,a_b\nred,1,2\n")
    with pytest.raises(TableError, match="would be one field of the index"):
        bundle.index(table, tmp_path / "other")


def test_an_index_may_lie_where_a_uri_leads(bundle, tmp_path, monkeypatch):
    """As in an object store; the quarantine is then in the current folder."""
    monkeypatch.chdir(tmp_path)
    uri = (tmp_path / "store/index").as_uri()
    bundle.index(pandas.DataFrame({"en": ["red", None]}), uri)
    (one,) = mmbm.load_index(uri).search({"en": "red"}, of="en")
    assert one.row == 1
    assert "are empty" in (tmp_path / "quarantine.csv").read_text()
    with pytest.raises(MmbmError, match="is no index of mmbm"):
        mmbm.load_index((tmp_path / "nothing").as_uri())


def test_an_approximate_index_finds_nearly_the_same(bundle, pictures, tmp_path, capfd):
    made = bundle.index(pictures, tmp_path / "index", approximate=True)
    assert "exact search finds" in capfd.readouterr().err
    assert made.recall() > 0.9
    again = mmbm.load_index(tmp_path / "index")
    assert again.lance.list_indices()
    assert again.search({"en": "a red cross on the left"}, 5, where="size > 4")
    with pytest.raises(MmbmError, match="begins at 256"):
        bundle.index(pandas.read_csv(pictures)[["en"]].head(20), tmp_path / "few", approximate=True)


def test_measuring_an_approximate_index_reads_the_vectors_of_its_sample_only(
    bundle, pictures, tmp_path, monkeypatch
):
    from lancedb.query import LanceEmptyQueryBuilder

    made = bundle.index(pictures, tmp_path / "index", approximate=True)
    read, to_arrow = [], LanceEmptyQueryBuilder.to_arrow
    monkeypatch.setattr(
        LanceEmptyQueryBuilder,
        "to_arrow",
        lambda *a, **k: read.append(to_arrow(*a, **k)) or read[-1],
    )
    made.recall()
    vectors = [len(one) for one in read if any("vector" in name for name in one.column_names)]
    assert vectors
    assert max(vectors) <= SAMPLE < len(made)


def test_it_searches_without_torch(index, bundle, pictures):
    code = f"""
import sys, mmbm
assert mmbm.load_index({str(index.path)!r}).search({{"en": "a red circle"}}, 3)
assert mmbm.load({str(bundle.path)!r}).index({str(pictures)!r}, {str(index.path) + "-2"!r})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_line_says_the_same(index, bundle, pictures, tmp_path):
    made = mmbm_cli("index", bundle.path, pictures, "-o", tmp_path / "index")
    assert "288 rows" not in made.stderr
    assert "rows by photo, en, zh" in made.stdout
    ask = "a green square on the left"
    expected = index.search({"en": ask}, 3, where="size > 4")
    for cells in (["--cell", f"en={ask}"], ["--en", ask], [f"--en={ask}"]):
        said = mmbm_cli(
            "search", tmp_path / "index", *cells, "-k", 3, "--where", "size > 4", "--json"
        )
        lines = [json.loads(line) for line in said.stdout.splitlines()]
        assert [line["row"] for line in lines] == [one.row for one in expected]
        assert lines[0]["cells"] == expected[0].cells
    shown = mmbm_cli("search", tmp_path / "index", "--en", ask, "-k", 2).stdout
    assert f"{expected[0].score:.4f}" in shown
    wrong = mmbm_cli("search", tmp_path / "index", "--picture", "x.png", check=False)
    assert wrong.returncode == 1
    assert "There is no option '--picture' here" in wrong.stderr
    missing = mmbm_cli("search", tmp_path / "nothing", "--en", "x", check=False)
    assert "There is no index" in missing.stderr
    assert "Traceback" not in missing.stderr + wrong.stderr
