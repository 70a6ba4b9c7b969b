"""Columns of Python objects: single values, pictures and lists, or left out by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from written import LABEL, NOISE, ROWS, R, as_input

from mmbm.data.table import open_table
from mmbm.init import Inferred, infer


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ([[{"role": "user", "content": str(i)}] for i in range(ROWS)], "a list of chat messages"),
        ([{"url": f"{i}.png"} for i in range(ROWS)], "an object with the keys url"),
        ([{"b64": f"{i}"} for i in range(ROWS)], "an object with the keys b64"),
        ([[["a", "b"], ["c", str(i)]] for i in range(ROWS)], "a list of 2 lists"),
        ([object() for i in range(ROWS)], "a object object"),
        ([json.dumps({"url": f"{i}"}) for i in range(ROWS)], "JSON objects written as text"),
        ([b"\x00\x01" + bytes([i]) for i in range(ROWS)], "neither an image nor a sound"),
    ],
)  # fmt: skip
def test_cells_that_are_no_single_values_are_left_out_by_name(cells, what):
    import re

    found = as_input(cells)

    assert found.kind is None
    assert re.search(what, found.why)


def test_pictures_in_python_are_pictures():
    import pandas
    import polars

    pictures = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(ROWS)]
    base = {"noise": NOISE, "label": LABEL}
    arrays = pandas.Series([np.asarray(picture) for picture in pictures], dtype=object)
    tables = [
        {"x": pictures, **base},
        pandas.DataFrame({"x": pandas.Series(pictures, dtype=object), **base}),
        pandas.DataFrame({"x": arrays, **base}),
        polars.DataFrame({"x": polars.Series(pictures, dtype=polars.Object), **base}),
    ]  # fmt: skip
    for table in tables:
        assert infer(open_table(table), ["label"]).inputs["x"].kind == "image"


def test_a_path_in_a_list_is_a_path(tmp_path: Path):
    for i in range(ROWS):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    table = open_table(
        {"x": [[f"{i}.png"] for i in range(ROWS)], "noise": NOISE, "label": LABEL}, root=tmp_path
    )

    assert infer(table, ["label"]).inputs["x"].kind == "image"


def test_lists_of_polars_are_lists_whatever_is_in_them():
    import datetime

    import polars

    frame = polars.DataFrame(
        {
            "tags": [["wet", "cold"], ["cold"]],
            "days": [[datetime.date(2024, 1, 2)], []],
            "kinds": polars.Series([["x"], ["y"]], dtype=polars.List(polars.Categorical)),
            "pair": polars.Series([[1, 2], [3, 4]], dtype=polars.Array(polars.Int64, 2)),
            "both": [{"a": "x", "b": datetime.date(2024, 1, 2)}] * 2,
        }
    )

    assert open_table(frame).row(0) == {
        "tags": ["wet", "cold"], "days": ["2024-01-02"], "kinds": ["x"], "pair": [1, 2],
        "both": {"a": "x", "b": "2024-01-02"},
    }  # fmt: skip


def test_repeated_rows_are_no_leak():
    words = [f"w{i}" for i in range(300)]
    rows = [(" ".join(R.sample(words, 6)), R.choice("ab")) for _ in range(60)] * 3
    R.shuffle(rows)
    texts, labels = zip(*rows)

    inferred: Inferred = infer(open_table({"text": list(texts), "y": list(labels)}), ["y"])

    assert inferred.inputs["text"].kind == "text"
    assert inferred.warnings == []
