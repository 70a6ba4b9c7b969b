"""The encoding that makes a table legible is taken and said, or asked for."""

import csv
import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import opened

from mmbm.data.readers.legible import rank
from mmbm.errors import TableError
from mmbm.init import infer, to_yaml

R = random.Random(6)


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
