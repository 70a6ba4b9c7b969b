"""A cell of another shape is never absent, text or a label: a bundle names what it is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def answer(bundle, **row) -> dict:
    (one,) = bundle.predict([row])
    return one


@pytest.mark.parametrize(
    ("name", "cell", "what"),
    [
        ("photo", {"b64": "aGk="}, "an object with the keys b64"),
        ("photo", {"url": "http://x/a.png"}, "an object with the keys url"),
        ("photo", [0.1, 0.2, 0.3], "a list of 3 numbers"),
        ("photo", ["a.png", "b.png"], "a list of 2 items"),
        ("photo", 3.5, "a float"),
        ("speech", [{"role": "user", "content": "hi"}], "a list of chat messages"),
        ("speech", {"array": [[[1.0]]], "sampling_rate": 8000}, "shape"),
        ("remark", [{"role": "user", "content": "hi"}], "a list, not one value"),
        ("remark", {"text": "hi"}, "a dict, not one value"),
        ("speed", [1.0, 2.0], "a list, not a number"),
        ("place", ["town1"], "a list, not one value"),
    ],
)
def test_a_cell_of_another_shape_is_a_bad_cell_that_says_what_it_is(bundle, name, cell, what):
    one = answer(bundle, **{name: cell})

    assert one["error"].startswith(f"{name}: ")
    assert what in one["error"]


def test_python_objects_are_answered_as_their_files_are(bundle, table: Path):
    file = table.parent / "media/0.png"
    picture = Image.open(file).convert("RGB")
    wanted = answer(bundle, photo=str(file))

    for cell in (picture, np.asarray(picture), np.asarray(picture).transpose(2, 0, 1),
                 {"bytes": file.read_bytes(), "path": None}, [str(file)]):  # fmt: skip
        assert answer(bundle, photo=cell) == wanted


def test_a_bundle_reads_a_table_of_objects(bundle, table: Path):
    import pandas

    files = [table.parent / f"media/{i}.png" for i in range(4)]
    frame = pandas.DataFrame({"photo": pandas.Series([Image.open(f) for f in files], dtype=object)})
    left_out = ("speech", "remark", "speed", "place")

    objects = list(bundle.predict(frame, drop_input=left_out))

    for one, file in zip(objects, files):
        wanted = answer(bundle, photo=str(file))
        assert one["label"] == wanted["label"]
        assert one["label.confidence"] == pytest.approx(wanted["label.confidence"], abs=1e-5)
