"""Delimiters: found and said, given, or asked for."""

from pathlib import Path

import pytest
from rows import HEADER, LINES, ROWS, opened, rows_of

from mmbm.errors import TableError


@pytest.mark.parametrize("mark", ["^", "~", "\x1f", "\x01"])
def test_a_rare_delimiter_is_found_said_and_written_into_the_config(mark: str, tmp_path: Path):
    table = opened(tmp_path, "\n".join([HEADER, *LINES]).replace(",", mark))

    assert rows_of(table) == ROWS
    assert table.read_with == {"delimiter": mark}
    assert f"separated by {mark!r}" in table.notes[0]


def test_a_comma_in_each_row_is_no_delimiter_beside_one_that_the_header_has(tmp_path: Path):
    lines = [f"{text}^{x},5^{y}" for text, x, y in ROWS]

    assert opened(tmp_path, "\n".join([HEADER.replace(",", "^"), *lines])).names == [
        "text", "x", "y",
    ]  # fmt: skip


@pytest.mark.parametrize(("mark", "cure"), [(":", "--delimiter ':'"), ("#", "data.delimiter"),
                                            ("§", "save the table with commas")])  # fmt: skip
def test_a_delimiter_that_cells_may_have_too_is_asked_for(mark: str, cure: str, tmp_path: Path):
    with pytest.raises(TableError, match=f"2 times '{mark}' each.*{cure}"):
        opened(tmp_path, "\n".join([HEADER, *LINES]).replace(",", mark))


def test_a_table_of_one_column_needs_no_delimiter(tmp_path: Path):
    lines = ["image_path", *(f"img_{i}.png" for i in range(9))]

    assert opened(tmp_path, "\n".join(lines)).names == ["image_path"]


def test_a_first_line_that_names_another_delimiter_is_refused_with_the_right_one(tmp_path: Path):
    content = "\n".join(["sep=;", HEADER, *LINES])

    with pytest.raises(TableError, match=r"says sep=;, but no row has ';'.*--delimiter ','"):
        opened(tmp_path, content)
    assert rows_of(opened(tmp_path, content, "u.csv", delimiter=",")) == ROWS


@pytest.mark.parametrize("mark", ["§", '"', "ab", "\n", "\0"])
def test_what_can_not_separate_cells_is_refused(mark: str, tmp_path: Path):
    with pytest.raises(TableError, match="one ASCII character"):
        opened(tmp_path, "\n".join([HEADER, *LINES]), delimiter=mark)


def test_a_tab_can_be_typed(tmp_path: Path):
    content = "\n".join([HEADER, *LINES]).replace(",", "\t")

    for i, typed in enumerate([r"\t", "tab", "\t"]):
        assert rows_of(opened(tmp_path, content, f"{i}.txt", delimiter=typed)) == ROWS
