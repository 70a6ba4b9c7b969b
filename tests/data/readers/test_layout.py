"""Above the header: titles, zero bytes and rows without a header are found and said, or refused."""

import random
from pathlib import Path

import pytest
from rows import HEADER, LINES, ROWS, WORDS, opened, rows_of

from mmbm.errors import TableError

R = random.Random(6)


# ── above the header ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("above", "skip"),
    [
        ("Export of 2024-01-01\n", 1),
        ("Export of 2024-01-01\n\n", 2),
        ("Report,,\nGenerated 2024,,\n\n", 3),
        ('"Sales, 2024"\n', 1),
        ("# made by X\n# on Y\n", 2),
        ("\n", 1),
    ],
)
def test_a_title_above_the_header_is_skipped_and_said(above: str, skip: int, tmp_path: Path):
    table = opened(tmp_path, above + "\n".join([HEADER, *LINES]))

    assert rows_of(table) == ROWS
    assert table.read_with["skip"] == skip
    assert f"skip: {skip}" in table.notes[0]


@pytest.mark.parametrize("mark", ["sep=;\r\n", "SEP=;\n", "\ufeffsep=;\r\n", '"sep=;"\n'])
def test_the_first_line_of_excel_names_the_delimiter(mark: str, tmp_path: Path):
    body = "\n".join([HEADER, *LINES]).replace(",", ";")

    assert rows_of(opened(tmp_path, mark + body)) == ROWS


def test_titles_filled_up_with_commas_are_skipped_and_said(tmp_path: Path):
    table = opened(tmp_path, "\n".join(["Sales,2024,", "Made by,Bob,", HEADER, *LINES]))

    assert rows_of(table) == ROWS
    assert table.read_with["skip"] == 2
    assert "its header is line 3" in table.notes[0]
    two = opened(
        tmp_path, "\n".join(["Report,", "x,y", *(f"{x},{y}" for _, x, y in ROWS)]), "u.csv"
    )
    assert two.names == ["x", "y"]


def test_a_header_without_its_last_name_is_no_title(tmp_path: Path):
    table = opened(
        tmp_path, "\n".join(["name,", *(f"{R.choice(WORDS)},{i % 7}b" for i in range(9))])
    )

    assert table.rows == 9
    noted = opened(tmp_path, "\n".join(["text,x,y,", *(f"{line}," for line in LINES), "a,1,n,odd"]),
                   "u.csv")  # fmt: skip
    assert noted.rows == len(ROWS) + 1


# ── delimiters ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("content", "where"), [
    ("a,b\n1,x\0y\n", r"row 2 .*column 'b': the cell 'x\\x00y'"),
    ("a,b\0\n1,x\n", r"header: the name 'b\\x00'"),
])  # fmt: skip
def test_a_zero_byte_is_refused_with_its_place_and_the_cure(content, where, tmp_path: Path):
    with pytest.raises(TableError, match=where + r".*zero byte.*tr -d"):
        opened(tmp_path, content)


def test_lines_above_the_header_can_be_given(tmp_path: Path):
    content = "a,b,c\n1,2,3\n" + "\n".join([HEADER, *LINES])

    assert rows_of(opened(tmp_path, content, skip=2)) == ROWS


@pytest.mark.parametrize(
    "lines",
    [
        LINES,
        [f"{x}0{i},{y}" for i, (_, x, y) in enumerate(ROWS)],
        [f"{i % 7 + 10},{i % 5 + 3},{i % 3}" for i in range(30)],
        [f"P{i:03d},{i * 7 % 60},{'ny'[i % 2]}" for i in range(30)],
        [f"{['spam', 'ham'][i % 2]},free money for {i}" for i in range(30)],
        ["5.1,3.5,setosa", "4.9,3.0,setosa", "4.7,3.2,virginica", "6,3,virginica"],
    ],
)
def test_a_first_row_that_is_like_the_others_is_no_header(lines: list[str], tmp_path: Path):
    with pytest.raises(TableError, match=r"looks like data\. Write a header.*--skip 0"):
        opened(tmp_path, "\n".join(lines))
    assert opened(tmp_path, "\n".join(lines), skip=0, name="u.csv").rows == len(lines) - 1


@pytest.mark.parametrize(
    "header", ["name,2019,2020,2021", "label,0,1,2", "a,b,c,d", "text,x,y,n", "y,n,x,z"]
)
def test_a_header_of_years_places_or_letters_is_a_header(header: str, tmp_path: Path):
    lines = [f"{'ny'[i % 2]},{i},{i % 5},{'ny'[i % 2]}" for i in range(30)]

    assert opened(tmp_path, "\n".join([header, *lines])).names == header.split(",")
