"""`mmbm init` reads columns as people write them, writes the way of reading down, and says so."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from mmbm.config import Config
from mmbm.data.table import open_table
from mmbm.errors import TableError
from mmbm.init import ColumnGuess, Inferred, infer, report, to_yaml
from mmbm.kinds.column import build

R = random.Random(3)
ROWS = 120
TAGS = ["comedy", "drama", "war", "love"]


def column(make) -> list:
    return [make(i) for i in range(ROWS)]


NOISE = column(lambda i: R.gauss(0, 1))
LABEL = column(lambda i: R.choice("ny"))


def as_input(cells: list, name: str = "x") -> ColumnGuess:
    inferred = infer(open_table({name: cells, "noise": NOISE, "label": LABEL}), ["label"])
    return inferred.inputs.get(name) or inferred.left_out[name]


def as_target(cells: list) -> ColumnGuess:
    return infer(open_table({"noise": NOISE, "x": cells}), ["x"]).targets["x"]


def decimal(places: int = 2, mark: str = ".") -> str:
    return f"{R.uniform(1, 99):.{places}f}".replace(".", mark)


def grouped(mark: str) -> str:
    return f"{R.randint(1, 9)}{mark}{R.randint(100, 999)}"


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────

WRITTEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "decimal comma": (lambda i: decimal(2, ","), {"decimal": ","}),
    "thousands": (lambda i: grouped(","), {"thousands": ","}),
    "thousands of India": (lambda i: "1," + decimal(0).zfill(2)[:2] + ",500", {"thousands": ","}),
    "dollars": (lambda i: f"${grouped(',')}.50", {"thousands": ",", "unit": "$"}),
    "euros": (lambda i: f"{grouped('.')},50 €", {"decimal": ",", "thousands": ".", "unit": "€"}),
    "francs": (lambda i: f"CHF {grouped('’')}.20", {"thousands": "'", "unit": "CHF"}),
    "reais": (lambda i: f"R$ {grouped('.')},50", {"decimal": ",", "thousands": ".", "unit": "R$"}),
    "thin spaces": (lambda i: grouped("\u202f"), {"thousands": " "}),
    "hard spaces": (lambda i: f"{grouped(chr(160))},5", {"decimal": ",", "thousands": " "}),
    "percent": (lambda i: f"{decimal(1)} %", {"unit": "%"}),
    "a unit": (lambda i: f"{R.randint(1, 99)} kg", {"unit": "kg"}),
    "degrees": (lambda i: f"{R.randint(-9, 30)}°C", {"unit": "°C"}),
    "a compound unit": (lambda i: f"{R.randint(1, 99)} km/h", {"unit": "km/h"}),
    "magnitudes": (
        lambda i: R.choice(["1.2k", "3M", "900", "4.5k"]), {"unit": {"k": 1e3, "M": 1e6}},
    ),
    "millions of dollars": (lambda i: f"${R.randint(1, 9)}.5M", {"unit": {"$": 1, "M": 1e6}}),
    "fractions of three places": (lambda i: f"0,{R.randint(100, 999)}", {"decimal": ","}),
    "long numbers": (
        lambda i: f"{grouped(' ')} {R.randint(100, 999)},89", {"decimal": ",", "thousands": " "},
    ),
    "a question mark": (lambda i: "?" if i % 9 == 0 else decimal(1), {"missing": ["?"]}),
    "a dash": (lambda i: "-" if i % 9 == 0 else decimal(1), {"missing": ["-"]}),
    "words": (
        lambda i: "not available" if i % 9 == 0 else decimal(1), {"missing": ["not available"]},
    ),
    "brackets": (lambda i: f"({decimal()})" if i % 3 == 0 else decimal(), {}),
    "a real minus": (lambda i: f"−{decimal()}", {}),
    "exponents": (lambda i: f"{R.random():.2E}", {}),
    "full-width digits": (lambda i: "１２．" + str(R.randint(0, 9)), {}),
}  # fmt: skip


@pytest.mark.parametrize(("make", "options"), WRITTEN.values(), ids=WRITTEN)
def test_numbers_are_found_however_they_are_written(make, options):
    cells = column(make)
    found, target = as_input(cells), as_target(cells)

    assert (found.kind, target.kind) == ("number", "number")
    assert {k: v for k, v in found.options.items() if k != "log"} == options
    assert {k: v for k, v in target.options.items() if k != "log"} == options


@pytest.mark.parametrize("name", WRITTEN)
def test_the_column_reads_every_cell_by_the_options_that_were_written(name):
    cells = column(WRITTEN[name][0])
    table = open_table({"x": cells, "noise": NOISE, "label": LABEL})

    raw = yaml.safe_load(to_yaml(infer(table, ["label"]), Path("config.yaml")))
    reader = build(Config.model_validate(raw).inputs["x"])
    reader.fit(cells)

    missing = raw["inputs"]["x"].get("missing", [])
    assert all((reader.decode(cell) is None) == (cell in missing) for cell in cells)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda i: R.choice(["1 kg", "500 g", "2 kg"]), r"several units \(.*unit: \{"),
        (lambda i: R.choice("$€") + str(i % 50), "several units"),
        (lambda i: R.choice(["1,5", "2.5", "12,25", "1.75"]), "two ways, .* write them in one"),
        (lambda i: R.choice(["12%", "0.12", "55%", "0.5"]), "12% and as 0.12"),
    ],
)
def test_numbers_in_two_ways_are_never_read_in_one(make, why):
    cells = column(make)

    assert as_input(cells).kind is None
    with pytest.raises(TableError, match=why):
        as_target(cells)


@pytest.mark.parametrize(
    "make",
    [
        lambda i: f"{R.randint(10, 28)}.12.2024",
        lambda i: f"1.{i % 9}.{i % 7}",
        lambda i: f"10.0.{i % 50}.{i}",
        lambda i: f"{i % 24}:30",
        lambda i: f"P{i % 40:03d}",
        lambda i: f"{i % 30 + 1}{R.choice('ABCD')}",
        lambda i: f"{i % 30} {R.choice(['Oak', 'Elm'])} Street",
        lambda i: f"555 {R.randint(100, 999)} {R.randint(100, 999)}",
        lambda i: f"{i % 100:03d}",
        lambda i: f"{i % 9}-{i % 9 + 10}",
    ],
)
def test_digits_that_are_no_numbers_stay_words(make):
    assert as_input(column(make)).kind != "number"


def test_what_may_mean_two_numbers_is_said():
    commas, points = (
        as_input(column(lambda i: grouped(","))),
        as_input(column(lambda i: grouped("."))),
    )

    assert "if it is a fraction: decimal: ','" in commas.notes[0]
    assert "decimal: ',', thousands: '.'" in points.notes[0]
    assert as_input(column(lambda i: f"0.{R.randint(100, 999)}")).notes == ()


def test_cells_that_are_no_numbers_are_counted():
    found = as_input(column(lambda i: "<0.1" if i % 10 == 0 else decimal()))

    assert found.kind == "number"
    assert "12 of 120 cells are no numbers and count as bad cells, such as <0.1" in found.notes[0]


def test_a_number_that_stands_for_none_is_pointed_out():
    found = as_input(column(lambda i: -999 if i % 8 == 0 else R.randint(1, 50)))

    assert "missing: [-999]" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (range(84, 99), "number"),
        (range(18, 26), "number"),
        (range(10), "category"),
        (range(1, 6), "category"),
        ((200, 404, 500), "category"),
        ((-1, 1), "category"),
        (range(101), "number"),
    ],
)
def test_a_target_of_whole_numbers_is_of_classes_only_if_they_count_from_the_start(values, kind):
    found = as_target([R.choice(list(values)) for _ in range(ROWS)])

    assert found.kind == kind
    if 2 < len(values) <= 20:
        other = "number" if kind == "category" else "category"
        assert f"kind: {other} if" in found.why


# ── identifiers and names ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    ["patient_age", "customer_segment", "session_minutes", "driverRating", "n_users", "is_customer",
     "author age", "row_height", "frame_rate", "index_value", "sessions_per_user"],
)  # fmt: skip
def test_a_name_with_a_person_in_it_does_not_drop_a_column(name: str):
    assert as_input(column(lambda i: R.randint(1, 40)), name).kind == "number"
    assert as_input(column(lambda i: R.choice(["a", "b", "c"])), name).kind == "category"


@pytest.mark.parametrize(
    "name", ["patient", "patient_id", "PatientID", "speaker", "user id", "driver_no"]
)
def test_who_was_recorded_is_left_out_and_suggested_as_a_group(name: str):
    for cells in (column(lambda i: f"P{i % 40:03d}"), column(lambda i: R.randint(1, 40))):
        found = as_input(cells, name)

        assert (found.kind, found.group) == (None, True)


def test_a_sorted_column_is_no_identifier_but_a_running_number_is():
    assert as_input(sorted(R.sample(range(1000, 9000), ROWS))).kind == "number"
    assert "identifier" in as_input(list(range(7, 7 + 3 * ROWS, 3))).why
    assert "identifier" in as_input(R.sample(range(ROWS), ROWS)).why
    assert "identifier" in as_input(sorted(R.sample(range(9000), ROWS)), "order_id").why


def test_dates_and_times_are_named_as_such():
    found = as_input(column(lambda i: f"{i % 28 + 1:02d}/11/2023"))
    assert (found.kind, found.options) == ("date", {"day_first": True})
    assert as_input(column(lambda i: f"March {i % 28 + 1}, 2024")).kind == "date"
    assert "times of day" in as_input(column(lambda i: f"{i % 24:02d}:{i % 60:02d}")).why


def test_what_was_left_out_is_printed_with_the_reason():
    table = open_table({"patient": column(lambda i: f"P{i % 40}"), "noise": NOISE, "label": LABEL})

    assert report(infer(table, ["label"])) == [
        "Left out: patient: names who or what was recorded (40 values)."
    ]


# ── labels ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("write", "options"),
    [
        (repr, {"format": "list"}),
        (json.dumps, {"format": "list"}),
        (lambda tags: str(np.array(tags)), {"format": "list"}),
        (lambda tags: "{" + ",".join(tags) + "}", {"format": "list"}),
        (", ".join, {"separator": ","}),
        (" / ".join, {"separator": "/"}),
        ("、".join, {"separator": "、"}),
        (" & ".join, {"separator": "&"}),
        ("\n".join, {"separator": "\n"}),
        ("; ".join, {}),
    ],
)
def test_labels_in_one_string_are_labels(write, options):
    cells = column(lambda i: write(R.sample(TAGS, R.randint(1, 3))))

    for found in (as_input(cells), as_target(cells)):
        assert (found.kind, found.options) == ("labels", options)
        assert found.why.startswith("4 labels")


@pytest.mark.parametrize(
    "make",
    [
        lambda i: R.choice(["Paris, France", "Rome, Italy", "Oslo, Norway"]),
        lambda i: f"{R.choice(['Smith', 'Lee'])}, {R.choice(['John', 'Ann'])}",
        lambda i: f"{R.randint(1, 3)}/{R.randint(2, 4)}",
    ],
)
def test_a_comma_inside_a_single_value_separates_nothing(make):
    assert as_input(column(make)).kind != "labels"


# ── words that look like missing, and spellings ──────────────────────────────────────────────────


def test_words_of_programs_for_nothing_are_named_and_absent():
    found = as_target(column(lambda i: ["nan", "cat", "dog", "NULL"][i % 4]))

    assert found.options == {"missing": ["nan", "NULL"]}
    assert found.why == "2 classes"
    assert found.notes == (
        "x: nan and NULL look like missing: 60 rows, so missing: [nan, 'NULL']; missing: [] keeps "
        "them as values",
    )


def test_na_may_be_namibia():
    found = as_input(column(lambda i: ["NA", "DE", "FR"][i % 3]))

    assert "missing" not in found.options
    assert "If NA should be absent: missing: [NA]" in found.notes[0]


def test_a_missing_word_is_absent_in_training_and_in_answers():
    for kind, cells in (("category", ["a", "b", "nan"]), ("text", ["a b", "c d", "nan"])):
        spec = Config.model_validate(
            {
                "data": {"table": "t.csv"},
                "inputs": {"x": {"kind": kind, "missing": ["nan"]}},
                "targets": {"y": "category"},
            }
        ).inputs["x"]
        reader = build(spec)
        reader.fit(cells * 3)

        assert reader.decode("nan") is None
        assert reader.decode(cells[0]) is not None
        assert "nan" not in reader.state.get("values", [])


def test_spellings_of_one_value_are_named():
    found = as_target(column(lambda i: ["Cat", "cat", "Dog", "dog "][i % 4]))

    assert found.why == "4 classes"
    assert "Cat (30 rows) and cat (30 rows)" in found.notes[0]
    assert "Dog (30 rows) and dog (30 rows)" in found.notes[0]
    assert as_target(column(lambda i: [1, -1][i % 2])).notes == ()


# ── objects ──────────────────────────────────────────────────────────────────────────────────────


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


# ── leaks ────────────────────────────────────────────────────────────────────────────────────────


def test_repeated_rows_are_no_leak():
    words = [f"w{i}" for i in range(300)]
    rows = [(" ".join(R.sample(words, 6)), R.choice("ab")) for _ in range(60)] * 3
    R.shuffle(rows)
    texts, labels = zip(*rows)

    inferred: Inferred = infer(open_table({"text": list(texts), "y": list(labels)}), ["y"])

    assert inferred.inputs["text"].kind == "text"
    assert inferred.warnings == []
