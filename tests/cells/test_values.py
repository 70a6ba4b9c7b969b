"""What a Python object in a cell is: read where that is plain, else named."""

import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmbm.cells.media import locate
from mmbm.cells.values import describe, from_python, media, single
from mmbm.errors import BadCell
from mmbm.kinds.audio.column import AudioColumn
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.image.column import ImageColumn
from mmbm.kinds.image.spec import ImageSpec

PIXELS = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)


class Tensor:
    """As torch has it: channels first, with a gradient, made into an array by __array__."""

    def __init__(self, array: np.ndarray):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def detach(self):
        return self

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        return self.array


def decode_picture(cell) -> np.ndarray:
    return ImageColumn(ImageSpec(size=8)).decode(locate(cell, None))


@pytest.mark.parametrize(
    "cell",
    [
        Image.fromarray(PIXELS),
        PIXELS,
        PIXELS.transpose(2, 0, 1),
        PIXELS / 255.0,
        Tensor(PIXELS.transpose(2, 0, 1)),
        Tensor((PIXELS.transpose(2, 0, 1) / 255).astype(np.float32)),
        [Image.fromarray(PIXELS)],
        {"bytes": None, "path": None, "image": 1} | {"bytes": Image.fromarray(PIXELS)},
    ],
    ids=["PIL", "HWC", "CHW", "floats", "tensor", "float tensor", "list of one", "in a dict"],
)
def test_a_picture_in_python_is_its_pixels(cell):
    np.testing.assert_array_equal(decode_picture(cell), PIXELS)


def test_grey_and_deep_pictures_keep_their_values():
    grey = ImageColumn(ImageSpec(size=8, channels=1))
    deep = PIXELS[..., 0].astype(np.uint16) * 257

    for cell in (PIXELS[..., 0], PIXELS[..., :1], deep):
        np.testing.assert_array_equal(grey.decode(locate(cell, None))[..., 0], PIXELS[..., 0])
    assert grey.decode(locate(PIXELS[..., 0] > 127, None)).max() == 255


@pytest.mark.parametrize("shape", [(800,), (800, 2), (2, 800)])
def test_a_sound_of_a_dataset_is_read_by_its_rate(shape):
    wave = np.full(shape, 0.25)
    cell = {"array": wave, "sampling_rate": 8000, "path": None}

    decoded = AudioColumn(AudioSpec(sample_rate=8000)).decode(locate(cell, None))

    assert len(decoded) == 800
    assert abs(int(decoded[100]) - 8192) <= 1


def test_bytes_in_json_are_base64_and_never_a_path(tmp_path):
    (tmp_path / "secret").write_bytes(b"x")

    assert locate({"bytes": "eHl6"}, tmp_path) == b"xyz"
    with pytest.raises(BadCell, match="base64"):
        locate({"bytes": "secret"}, tmp_path)


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ({"b64": "aGk="}, "an object with the keys b64"),
        ({"url": "http://x/a.png"}, "an object with the keys url"),
        ({}, "an empty object"),
        ([0.1, 0.2], r"a list of 2 numbers \(an embedding\?\)"),
        (["a.png", "b.png"], "a list of 2 items"),
        ([{"role": "user", "content": "hi"}] * 2, "a list of chat messages"),
        ([[1, 2], [3, 4]], r"a list of 2 lists \(pixels are uint8"),
        (np.zeros((8, 8, 3), np.int64), r"\(8, 8, 3\) and type int64 \(pixels are uint8 .* floats"),
        (np.zeros((2, 3, 4, 5)), "an array of shape"),
        (3, "a int"),
        ({"array": [], "sampling_rate": 8000}, "shape"),
        ({"array": [1.0], "sampling_rate": "fast"}, "can't be read"),
        ({"array": [10**9], "sampling_rate": 8000}, "beyond 16 bits"),
    ],
)
def test_another_object_in_a_media_cell_is_named(cell, what):
    for root in (None, __import__("pathlib").Path()):
        with pytest.raises(BadCell, match=what):
            locate(cell, root)


def test_whole_numbers_of_64_bits_in_a_table_are_named_as_no_pixels():
    cell = from_python(np.zeros((8, 8, 3), np.int64))

    assert "pixels are uint8 from 0 to 255" in describe(cell)


def test_an_object_without_a_text_is_named_rather_than_printed():
    assert describe(from_python(object())) == "a object object"


def test_what_arrow_holds_is_left_as_it_is():
    cells = ["a", b"b", 1, 1.5, True, None, ["x"], {"k": "v"}]

    assert [from_python(cell) for cell in cells] == cells
    assert from_python({"b", "a"}) == ["a", "b"]
    assert from_python(np.float32(1.5)) == 1.5
    assert from_python(np.arange(3)) == [0, 1, 2]


def test_sixteen_bit_samples_stay_as_they_are():
    cell = {"array": np.array([0, 16384, -16384], np.int16), "sampling_rate": 8000}

    samples, rate = soundfile.read(io.BytesIO(locate(cell, None)), dtype="int16")

    assert (samples.tolist(), rate) == ([0, 16384, -16384], 8000)


@pytest.mark.parametrize("rate", [2**31, 10**30, 1e308, float("inf"), float("nan"), 0, -8000, 99])
def test_a_sound_at_a_rate_that_nobody_has_is_a_bad_cell(rate):
    with pytest.raises(BadCell):
        media({"array": [0.0, 0.1], "sampling_rate": rate})


def test_marks_of_absence_and_arrays_of_no_dimension_are_single_values():
    import pandas as pd
    import torch

    assert single(pd.NA) is single(pd.NaT) is single(None) is None
    assert single(torch.tensor(5.0)) == single(np.array(5.0)) == single(np.float32(5)) == 5
