"""How files are laid out, encoded and packed: found and said, or refused with the cure."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.data.readers.legible import rank
from mmbm.data.table import Table, open_table
from mmbm.errors import TableError
from mmbm.init import infer, to_yaml

R = random.Random(5)
WORDS = ["red", "green", "blue", "cat", "dog", "runs", "fast", "slow", "home", "again"]
ROWS = [(" ".join(R.sample(WORDS, 4)), str(R.randint(1, 99)), "ny"[i % 2]) for i in range(60)]
LINES = [",".join(row) for row in ROWS]
HEADER = "text,x,y"


def opened(folder: Path, content: str | bytes, name: str = "t.csv", **options) -> Table:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_table(path, **options)


def rows_of(table: Table) -> list[tuple]:
    return [tuple(table.row(i).values()) for i in range(table.rows)]


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


# ── quotes ───────────────────────────────────────────────────────────────────────────────────────


def with_quotes(*changes: tuple[int, str, str], lines: list[str] = LINES) -> str:
    lines = list(lines)
    for place, old, new in changes:
        lines[place] = lines[place].replace(old, new, 1) if old else new + lines[place]
    return "\n".join([HEADER, *lines]) + "\n"


@pytest.mark.parametrize(
    "changes",
    [
        [(10, "", '"')],
        [(10, "", '"'), (24, "", '"')],
        [(10, "", '"'), (24, ",", '",')],
        [(10, "", '"'), (11, ",", '",')],
        [(10, "", '"'), (58, ",", '",')],
        [(10, "", '"'), (24, LINES[24], '"hello, world",3,n')],
    ],
    ids=[
        "never closed",
        "another opens",
        "another closes",
        "the next row",
        "far away",
        "quoted cell",
    ],
)
def test_a_quote_that_swallows_rows_is_refused_with_its_row(changes, tmp_path: Path):
    with pytest.raises(
        TableError, match=r"row 12 of the file .* opens a quote .* is (never|closed)"
    ):
        opened(tmp_path, with_quotes(*changes))


def test_two_columns_swallow_no_rows_either(tmp_path: Path):
    lines = [f"{text},{y}" for text, _, y in ROWS]
    lines[10] = '"' + lines[10]
    lines[24] = lines[24].replace(",", '",')

    with pytest.raises(TableError, match="row 12 of the file"):
        opened(tmp_path, "\n".join(["text,y", *lines]))


def test_cells_of_several_lines_are_kept(tmp_path: Path):
    poem = "first, line\nsecond, line\nthird, one, and more"
    rows = [(f"{text}\n{poem}", x, y) for text, x, y in ROWS]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([HEADER.split(","), *rows])

    assert rows_of(opened(tmp_path, buffer.getvalue())) == [
        (text.replace("\n", "\r\n").replace("\r\n", "\n"), x, y) for text, x, y in rows
    ]


def test_a_backslash_before_a_quote_is_found_and_said(tmp_path: Path):
    lines = [f'"she said \\"wait\\", then left {i}",{"ny"[i % 2]}' for i in range(20)]

    table = opened(tmp_path, "\n".join(["text,y", *lines]))

    assert table.row(0) == {"text": 'she said "wait", then left 0', "y": "n"}
    assert table.read_with == {"escape": "\\"}
    assert 'escape: "\\\\"' in table.notes[0]


def test_a_path_of_windows_in_quotes_is_no_escape(tmp_path: Path):
    lines = [f'"C:\\dir\\",{"ny"[i % 2]}' for i in range(20)]

    assert opened(tmp_path, "\n".join(["path,y", *lines])).row(0)["path"] == "C:\\dir\\"


def test_quotes_can_be_letters(tmp_path: Path):
    lines = [f'"well {i}\t{"ny"[i % 2]}' for i in range(20)]

    table = opened(tmp_path, "\n".join(["text\ty", *lines]), "t.tsv", quote=False)

    assert table.row(0) == {"text": '"well 0', "y": "n"}
    assert table.rows == 20


cell = st.text('ab ,;"\n\\', max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=6), st.booleans())
def test_what_csv_writes_is_read_or_refused_and_never_loses_rows(pairs, minimal: bool):
    import tempfile

    buffer = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL
    csv.writer(buffer, quoting=quoting).writerows(
        [["alpha", "beta", "end"], *[(a, b, "z") for a, b in pairs]]
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            table = opened(Path(folder), buffer.getvalue())
        except TableError:
            return
        assert table.rows == len(pairs)
        table.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,x\n" + "1,2,3\n" * 9, "header has 2 names, and its rows have 3 cells. Give every"),
        ("id,t,y\n" + '1, "a, b",n\n' * 9, "remove the blanks before it"),
        ("id,t,y\n" + "1,'a, b',n\n" * 9, 'quoted by " only'),
        ("id,x,y\n" + "1,2,n\n" * 30 + "Source: me\n", "row 32 .* a footer or a comment"),
        ("id,x,y\n" + "1,2,n\n" * 30 + "id,x,y\n1,2,n\n", "row 32 of the file repeats the header"),
        ("id x y\n" + "1 2 n\n" * 9, "separated by blanks"),
        ("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 9, "Markdown"),
        ("<!DOCTYPE html><html></html>", "is a web page"),
        (b"PK\x03\x04" + bytes(99), "ZIP archive.*Excel"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), r"gzip archive.*\.csv\.gz"),
        (b"PAR1" + bytes(99), "Parquet"),
        ('[{"a": 1}]', r"JSON.*\.json"),
        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("only a header", "has no rows"),
        (
            "id,é\n".encode() + "1,é\n".encode() * 9 + b"2,\xe9\n",
            "most other lines are: it is damaged",
        ),
    ],
)
def test_a_table_of_another_shape_is_refused_with_the_cure(content, message, tmp_path: Path):
    with pytest.raises(TableError, match=message):
        opened(tmp_path, content)


def test_quotes_that_are_not_doubled_are_said(tmp_path: Path):
    lines = [f'{i},"say "hi" now {i}",{"ny"[i % 2]}' for i in range(30)]

    assert "aren't doubled" in opened(tmp_path, "\n".join(["id,t,y", *lines])).notes[0]


# ── encodings ────────────────────────────────────────────────────────────────────────────────────

TEXTS = {
    "cp1252": ["Müller aus Köln\nGärtner, Düsseldorf", "déjà vu à l'école", "señor Muñoz",
               "“quoted” – fine…", "12 €\n13 €", "smörgåsbord på Öland", "café"],
    "cp1250": ["Dvořák žije v Českých Budějovicích", "święto w Łodzi i Krakowie",
               "Győr és Szentendre őszi", "zboží přišlo poškozené, nedoporučuji",
               "žółty\nczerwony\nzielony", "bardzo dobry produkt, polecam każdemu",
               "Kovács\nTóth\nVörös Erzsébet\nFelső Győző", "vrlo dobar proizvod, preporučujem",
               "veľmi dobrý výrobok\nzlá kvalita", "calitate slabă, nu recomand"],
    "iso8859_2": ["zboží přišlo poškozené, nedoporučuji", "ľudia sú šťastní a žijú",
                  "Łódź\nŚwinoujście\nMiędzyzdroje"],
    "cp1251": ["привет как дела", "очень хороший день", "Москва\nПетр", "МОСКВА"],
    "koi8_r": ["привет как дела", "очень хороший день", "Москва\nПетр"],
    "cp866": ["привет как дела", "очень хороший день"],
    "shift_jis": ["今日は天気がいいです", "この商品は悪い", "東京\n大阪\n京都", "カメラ\nテレビ"],
    "euc_jp": ["今日は天気がいいです", "この商品は悪い"],
    "big5": ["今天天氣很好", "這個東西太差", "台北\n高雄", "價錢很貴，品質不好。"],
    "gb18030": ["今天天气很好", "这个东西太差", "北京\n上海", "你好吗", "价格太贵，质量不好。"],
    "euc_kr": ["오늘 날씨가 좋습니다", "이 제품은 나쁩니다", "서울\n부산"],
    "utf-16-le": ["hello\nworld", "你好世界", "привет"],
    "utf-16-be": ["hello\nworld", "カメラ"],
    "cp1253": ["καλημέρα κόσμε", "Αθήνα\nΘεσσαλονίκη"],
    "cp1254": ["kötü kalite, beğenmedim", "İstanbul\nIğdır\nEskişehir"],
    "cp1257": ["Įkelkite failą čia, rugsėjis", "Rīga\nJūrmala\nĶekava"],
    "cp1255": ["שלום לכולם\nאיכות טובה מאוד", "טוב מאוד\nרע\nבינוני"],
    "cp1256": ["مرحبا بالعالم"],
    "cp874": ["สวัสดีครับ"],
}  # fmt: skip
CASES = [(encoding, text) for encoding, texts in TEXTS.items() for text in texts]


@pytest.mark.parametrize(("encoding", "text"), CASES, ids=[f"{e}-{t[:8]}" for e, t in CASES])
def test_the_encoding_that_makes_a_table_legible_is_taken_and_said(
    encoding: str, text: str, tmp_path: Path, capfd
):
    rows = [{"text": line, "y": "ab"[i % 2]} for i, line in enumerate(text.split("\n"))]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["text", "y"])
    writer.writeheader()
    writer.writerows(rows)

    table = opened(tmp_path, buffer.getvalue().encode(encoding))

    assert [table.row(i) for i in range(table.rows)] == rows
    assert f"read as {table.read_with['encoding']}" in capfd.readouterr().err.replace("\n", " ")


def test_an_encoding_that_was_found_is_written_into_the_config(tmp_path: Path):
    rows = [
        f"{R.choice(['今天天气很好', '这个东西太差'])}{i},{R.choice('好坏')}" for i in range(40)
    ]
    table = opened(tmp_path, "\n".join(["text,label", *rows]).encode("gbk"))

    assert "  encoding: gb18030\n" in to_yaml(infer(table, ["label"]), tmp_path / "c.yaml")


def test_an_encoding_that_isnt_clear_is_asked_for(tmp_path: Path):
    content = "name,y\nجودة ممتازة,a\n".encode("cp1256")

    with pytest.raises(
        TableError, match=r"byte 7 \(line 2\).*--encoding.*cp1256 \('جودة ممتازة'\)"
    ):
        opened(tmp_path, content)
    assert opened(tmp_path, content, "u.csv", encoding="cp1256").row(0)["name"] == "جودة ممتازة"


@pytest.mark.parametrize("encoding", ["cp1250", "iso8859_2"])
def test_one_short_word_that_several_encodings_make_legible_is_asked_for(encoding, tmp_path: Path):
    with pytest.raises(TableError, match=r"--encoding.*dobrý"):
        opened(tmp_path, "text,y\ndobrý,a\n".encode(encoding))


def test_json_is_read_in_another_encoding_too(tmp_path: Path):
    content = json.dumps({"text": "这个东西太差"}, ensure_ascii=False).encode("gbk")

    assert opened(tmp_path, content, "t.jsonl").row(0) == {"text": "这个东西太差"}


@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_can_be_ranked(data: bytes):
    assert all(isinstance(guess.score, float) for guess in rank(data))


# ── other files ──────────────────────────────────────────────────────────────────────────────────

OBJECTS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


@pytest.mark.parametrize(
    "value",
    [
        OBJECTS,
        {"version": 1, "data": OBJECTS},
        {"a": [1, 2], "b": ["x", None]},
        {"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": None}},
        {"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2, None]]},
    ],
    ids=["array", "array under a key", "columns", "columns of pandas", "split of pandas"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_file_is_a_table_in_its_usual_shapes(value, indent, tmp_path: Path):
    table = opened(tmp_path, json.dumps(value, indent=indent), "t.json")

    assert [table.row(i) for i in range(table.rows)] == OBJECTS


def test_splits_in_a_json_file_are_rows_with_a_split_column(tmp_path: Path):
    table = opened(tmp_path, json.dumps({"train": OBJECTS, "validation": OBJECTS[:1]}), "t.json")

    assert rows_of(table) == [(1, "x", "train"), (2, None, "train"), (1, "x", "valid")]
    with pytest.raises(TableError, match=r"2 tables \(cats, dogs\)"):
        opened(tmp_path, json.dumps({"cats": OBJECTS, "dogs": OBJECTS}), "u.json")


@pytest.mark.parametrize(("name", "content", "where"), [
    ("t.jsonl", '{"a": 1}\n{"a": 1, "a": 2}\n', "line 2: the key 'a' stands twice"),
    ("t.json", '[{"a": 1}, {"a": {"b": 1, "b": 2}}]', "row 2: the key 'b' stands twice"),
])  # fmt: skip
def test_a_key_that_stands_twice_in_a_row_is_refused(name, content, where, tmp_path: Path):
    with pytest.raises(TableError, match=where):
        opened(tmp_path, content, name)


def test_numbers_that_json_does_not_know_are_counted_and_said(tmp_path: Path):
    table = opened(tmp_path, '{"a": NaN}\n{"a": Infinity}\n{"a": NaN}\n', "t.jsonl")

    assert "NaN (2 times), Infinity (1 times)" in table.notes[0]
    assert [str(cell) for cell in table.cells("a")] == ["None", "inf", "None"]


def test_json_lines_in_a_json_file_are_read(tmp_path: Path):
    assert opened(tmp_path, "\n".join(map(json.dumps, OBJECTS)), "t.json").rows == 2


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_a_compressed_table_is_read(ending: str, pack, tmp_path: Path):
    content = "\n".join([HEADER, *LINES]).encode()

    assert rows_of(opened(tmp_path, pack(content), f"t.csv.{ending}")) == ROWS
    with pytest.raises(TableError, match=f"t.csv.{ending}: can't be unpacked .*Unpack it by hand"):
        opened(tmp_path, b"PK nonsense", f"t.csv.{ending}")


def test_a_zip_with_one_table_is_read_and_another_is_to_be_unpacked(tmp_path: Path):
    for names, message in ((["t.csv"], None), (["t.csv", "u.csv"], "2 files, 2 of them tables"),
                           (["t.csv", "a.png"], "Unpack it")):  # fmt: skip
        path = tmp_path / f"{len(names)}{names[-1]}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in [*names, "__MACOSX/._t.csv"]:
                archive.writestr(name, "\n".join([HEADER, *LINES]))
        if message is None:
            assert rows_of(open_table(path)) == ROWS
        else:
            with pytest.raises(TableError, match=message):
                open_table(path)


def test_a_file_that_would_fill_the_disk_is_not_unpacked(tmp_path: Path):
    with pytest.raises(TableError, match="more than 1000 times its size"):
        opened(tmp_path, gzip.compress(b"a" * 150_000_000, mtime=0), "t.csv.gz")


@pytest.mark.parametrize(
    "name", ["t.xlsx", "t.ods", "t.dta", "t.pkl", "t.sqlite", "t.7z", "t.unheard"]
)
def test_another_kind_of_file_is_refused_with_how_to_save_it(name: str, tmp_path: Path):
    with pytest.raises(TableError, match=r"save (its table|it) as"):
        opened(tmp_path, b"PK", name)


def test_only_regular_files_are_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "zero.csv"):
        with pytest.raises(TableError, match="not a regular file"):
            open_table(tmp_path / name)


# ── folders ──────────────────────────────────────────────────────────────────────────────────────


def make_folder(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(folder / name)
    return folder


def test_a_folder_of_class_folders_is_a_table_of_files_and_labels(tmp_path: Path):
    names = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(20)]
    table = open_table(make_folder(tmp_path / "photos", [*names, ".hidden/x.png"]))

    inferred = infer(table, ["label"])

    assert [row[0] for row in rows_of(table)] == sorted(names)
    assert inferred.inputs["file"].kind == "image"
    assert inferred.targets["label"].why == "2 classes"
    assert "  table: photos\n  root: photos\n" in to_yaml(inferred, tmp_path / "c.yaml")


def test_a_folder_of_splits_has_a_split_column(tmp_path: Path):
    names = [
        f"{s}/{label}/{i}.png" for s in ("train", "val", "test") for label in "ab" for i in range(4)
    ]

    table = open_table(make_folder(tmp_path, names))

    assert set(table.cells("split")) == {"train", "valid", "test"}
    assert infer(table, ["label"]).split == "split"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"FOLDER/CLASS/file\.png"),
        (["a.png", "b.png"], r"0 class folders.*ImageFolder"),
        (["cat/a.png"], "1 class folders"),
    ],
)
def test_another_folder_is_refused_with_how_it_should_be(names, message, tmp_path: Path):
    with pytest.raises(TableError, match=message):
        open_table(make_folder(tmp_path, names))


def test_a_folder_with_a_table_in_it_names_the_table(tmp_path: Path):
    (tmp_path / "metadata.csv").write_text("a\n1\n")

    with pytest.raises(TableError, match=r"the table in it is metadata\.csv"):
        open_table(tmp_path)


# ── wide tables ──────────────────────────────────────────────────────────────────────────────────


def test_a_table_of_very_many_columns_is_opened_and_inferred_in_linear_time(tmp_path: Path):
    import time

    def seconds(columns: int) -> float:
        names = [f"c{i}" for i in range(columns)]
        rows = [[str(R.random()) for _ in names] + ["ny"[i % 2]] for i in range(12)]
        text = "\n".join(",".join(row) for row in [[*names, "y"], *rows])
        started = time.perf_counter()
        inferred = infer(opened(tmp_path, text, f"{columns}.csv"), ["y"])
        assert len(inferred.inputs) == columns
        return time.perf_counter() - started

    seconds(200)
    assert seconds(8000) < 12 * seconds(2000)


def test_a_table_of_very_many_columns_is_prepared_in_linear_time_and_few_open_files(tmp_path: Path):
    import time

    def seconds(columns: int) -> float:
        names = [f"c{i}" for i in range(columns)]
        rows = [[str(R.random()) for _ in names] + ["ny"[i % 2]] for i in range(12)]
        config = configfile.parse({
            "data": {"table": "t", "split": {"valid": 0.2, "test": 0.2}},
            "inputs": {name: {"kind": "number"} for name in names},
            "targets": {"y": {"kind": "category"}},
        })  # fmt: skip
        table = [dict(zip([*names, "y"], row)) for row in rows]
        started = time.perf_counter()
        data = prepare(config, tmp_path / str(columns), table=table)
        assert len(data.columns) == columns + 1
        maps = Path("/proc/self/maps")
        assert not maps.exists() or maps.read_text().count(f"/{columns}/") < 10
        return time.perf_counter() - started

    seconds(50)
    assert seconds(2400) < 12 * seconds(600)


def test_class_folders_with_a_readme_beside_them_are_a_table(tmp_path):
    for i in range(4):
        folder = tmp_path / f"pics/{'cat' if i % 2 else 'dog'}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / f"{i}.png")
    (tmp_path / "pics/readme.txt").write_text("taken in May")
    assert open_table(tmp_path / "pics").names == ["file", "label"]
    (tmp_path / "pics/data.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TableError, match=r"data\.csv"):
        open_table(tmp_path / "pics")
