"""`mmbm init` opens media: for size, color, rate and length, and to name what can't be read."""

from pathlib import Path

import damaged
import pytest
from guesses import NOISE, RANDOM, SHIFTED, SMALL

from mmbm.data.table import open_table
from mmbm.errors import TableError
from mmbm.init import infer


def test_pictures_are_opened_for_their_size_and_colour(tmp_path: Path):
    for i in range(20):
        (tmp_path / f"{i}.png").write_bytes(damaged.picture(damaged.pixels(28, 28)[..., 0]))
        (tmp_path / f"{i}.jpg").write_bytes(damaged.picture(damaged.pixels(300, 600), "JPEG"))
    table = open_table(
        {
            "digit": [f"{i}.png" for i in range(20)],
            "road": [f"{i}.jpg" for i in range(20)],
            "label": [i % 2 for i in range(20)],
        },
        root=tmp_path,
    )

    inputs = infer(table, ["label"]).inputs

    assert inputs["digit"].options == {"size": 28, "channels": 1, **SHIFTED, **SMALL}
    assert inputs["road"].options == {"size": [48, 96], **SHIFTED, **SMALL}


def test_sounds_are_opened_for_their_rate_and_length_and_a_column_of_lengths_is_left_out():
    seconds = [0.5 + (i % 10) / 10 for i in range(40)]
    table = open_table(
        {
            "speech": [damaged.sound(damaged.tone(s, 44100), 44100) for s in seconds],
            "duration": seconds,
            "label": [RANDOM.choice("ab") for _ in seconds],
        }
    )

    inferred = infer(table, ["label"])

    assert inferred.inputs["speech"].options == {"sample_rate": 16000, "seconds": 1.5, **SMALL}
    assert "the length of speech" in inferred.left_out["duration"].why


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.png", b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        ("a.wav", b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "pip install pillow-heif"),
        ("a.jpg", b"", r"is empty \(0 bytes\)"),
        ("a.jpg", b"<html>404", "is a web page"),
        ("a.png", damaged.bomb(), "more pixels than are safe"),
        ("a.wav", b"noise", "neither an image nor a sound"),
    ],
)
def test_media_that_cant_be_read_are_an_error_with_the_first_cells_reason(
    name, content, reason, tmp_path: Path
):
    (tmp_path / name).write_bytes(content)
    table = open_table(
        {"photo": [name] * 18, "x": NOISE[:18], "label": ["x", "y"] * 9}, root=tmp_path
    )

    with pytest.raises(TableError, match=rf"column 'photo'.*row 1, {name}: .*{reason}"):
        infer(table, ["label"])


def test_absolute_paths_of_another_machine_are_named_as_such(tmp_path: Path):
    for folder in ("/home/somebody/data", "C:\\data"):
        cells = [f"{folder}/{i}.png" for i in range(18)]
        table = open_table({"photo": cells, "label": ["x", "y"] * 9}, root=tmp_path)

        with pytest.raises(TableError, match=r"absolute path, perhaps of another machine"):
            infer(table, ["label"])


def test_media_that_are_not_there_are_an_error_that_names_the_folder(tmp_path: Path):
    table = open_table({"photo": ["a.png", "b.png"] * 9, "label": ["x", "y"] * 9}, root=tmp_path)

    with pytest.raises(TableError, match=r"column 'photo'.*data\.root"):
        infer(table, ["label"])
