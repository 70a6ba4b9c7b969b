"""A row as a message of OpenAI's interface."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from odd import COLOURS
from PIL import Image

from mmbm.errors import BadCell, MmbmError
from mmbm.llm import Question, messages


def test_a_row_is_a_part_for_each_cell_and_columns_are_named_where_several_are_written():
    kinds = {"remark": "text", "speed": "number", "tags": "labels", "place": "category"}
    row = {"remark": "it looks red", "speed": 3.0, "tags": ["a", "b"], "place": None}
    (system, user), size = messages(COLOURS, row, kinds, None)
    assert (system["role"], user["role"]) == ("system", "user")
    assert [part["text"] for part in user["content"]] == [
        "remark: it looks red", "speed: 3", "tags: a; b",
    ]  # fmt: skip
    assert size.tokens > 10
    (_, alone), _ = messages(COLOURS, row, {"remark": "text"}, None)
    assert alone["content"][0]["text"] == "it looks red"


def test_media_are_sent_as_they_are_or_without_loss():
    wave = np.arange(-800, 800, dtype=np.int16)
    pixels = np.random.default_rng(0).integers(0, 256, (600, 300, 3), dtype=np.uint8)
    for form, kind in (("PNG", "png"), ("BMP", "png"), ("WEBP", "webp")):
        Image.fromarray(pixels).save(file := io.BytesIO(), form, lossless=True)
        (_, user), size = messages(COLOURS, {"p": file.getvalue()}, {"p": "image"}, None)
        url = user["content"][0]["image_url"]["url"]
        assert url.startswith(f"data:image/{kind};base64,")
        sent = base64.b64decode(url.partition(",")[2])
        assert (np.asarray(Image.open(io.BytesIO(sent))) == pixels).all()
        assert (size.pictures, size.of_media) == (1, 85 + 170 * 2)
    for form, kind in (("WAV", "wav"), ("FLAC", "wav")):
        soundfile.write(file := io.BytesIO(), wave, 8000, format=form)
        (_, user), size = messages(COLOURS, {"s": file.getvalue()}, {"s": "audio"}, None)
        part = user["content"][0]["input_audio"]
        sent, rate = soundfile.read(io.BytesIO(base64.b64decode(part["data"])), dtype="int16")
        assert (part["format"], rate, sent.tolist()) == (kind, 8000, wave.tolist())
        assert (size.seconds, size.of_media) == (0.2, 2)


@pytest.mark.parametrize(
    ("kind", "words"), [("image", "is not a picture"), ("audio", "no.* sound")]
)
def test_a_medium_that_cannot_be_read_is_told_of_with_its_column(kind, words):
    with pytest.raises(BadCell, match="m: is not"):
        messages(COLOURS, {"m": b"nonsense"}, {"m": kind}, None)
    with pytest.raises(BadCell, match="m: the file does not exist"):
        messages(COLOURS, {"m": "nowhere.bin"}, {"m": kind}, Path("."))


def test_a_kind_that_no_model_can_be_asked_for_is_refused():
    with pytest.raises(MmbmError, match=r"can't be asked for a labels: .* category, number, text"):
        Question("Which?", "labels").text()
